"""What is asked of a model, step by step: a prompt, a bounded pack, a schema for the answer, and a gate in code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from services.diagnoser.engines.anthropic.client import Block

Answer = TypeVar("Answer")


class Step(Protocol[Answer]):
    """One kind of conversation. `name` is also that of its prompt."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def tools(self) -> Sequence[Block]:
        """The tools as the Messages API describes them."""
        ...

    def system(self) -> str:
        """Return the instructions; the same for every case, so that they can be cached."""
        ...

    def pack(self) -> str:
        """Return what is known, of bounded size, and enter it as shown."""
        ...

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of an answer."""
        ...

    def read(self, text: str) -> Answer:
        """Return an answer. Raises GivenUpError for what is none."""
        ...

    def problems(self, answer: Answer) -> list[str]:
        """Return what is wrong with an answer, in sentences that help to mend it."""
        ...

    def call(self, name: str, given: object) -> str:
        """Return what a tool shows, or why it shows nothing."""
        ...
