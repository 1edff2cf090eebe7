"""The step `diagnose`: what is wrong, with tools over the whole case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.diagnoser.engines.anthropic import prompts
from services.diagnoser.engines.anthropic.answer import Answer, read_answer, schema
from services.diagnoser.engines.anthropic.gate import problems
from services.diagnoser.engines.anthropic.ground import Ground
from services.diagnoser.engines.anthropic.pack import pack, plain
from services.diagnoser.engines.anthropic.tools import Toolbox, definitions
from services.diagnoser.engines.anthropic.veil import Veil
from shared.incident.evidence import LookAlike


class Diagnosing:
    """Asks about one case. Towards the model an entity may have another name than here."""

    name = "diagnose"

    def __init__(self, ground: Ground, veil: Veil, look_alikes: Iterable[LookAlike] = ()) -> None:
        self.tools = definitions()
        self._ground, self._veil = ground, veil
        self._names: dict[str, str] = {}
        self._toolbox = Toolbox(ground, self._names, look_alikes)

    def system(self) -> str:
        """Return the instructions with the catalogue."""
        return prompts.system(self._ground.causes)

    def pack(self) -> str:
        """Return the evidence."""
        self._names |= {self._veil.hide(plain(entity)): entity for entity in self._ground.entities()}
        return pack(self._ground, self._veil)

    def schema(self) -> dict[str, Any]:
        """Return the schema with the ids of this case."""
        return schema(self._ground, list(self._names))

    def read(self, text: str) -> Answer:
        """Return an answer with entities as they are called here."""
        answer = read_answer(text)
        hidden = {self._veil.reveal(name): entity for name, entity in self._names.items()}
        causes = [one.model_copy(update={"entity": hidden.get(one.entity, one.entity)}) for one in answer.causes]
        return answer.model_copy(update={"causes": tuple(causes)})

    def problems(self, answer: Answer) -> list[str]:
        """Return what is wrong with it."""
        return problems(answer, self._ground)

    def call(self, name: str, given: object) -> str:
        """Return what a tool shows."""
        return self._toolbox.call(name, given)
