"""The small steps: classify, recommend, summarise and answer. Each has a prompt of its own; schema and gate are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from services.diagnoser.domain.advice import SENTENCES_MAX, TROUBLED_LEAST, Option, StepName
from services.diagnoser.engines.anthropic import prompts
from services.diagnoser.engines.anthropic.claims import Claim, claim_schema, problems_of, strict
from services.diagnoser.engines.anthropic.client import Block, GivenUpError
from services.diagnoser.engines.anthropic.denying import misstated
from services.diagnoser.engines.anthropic.gate import is_wrong_now
from services.diagnoser.engines.anthropic.page import Page
from services.diagnoser.engines.anthropic.veil import Veil
from services.diagnoser.engines.anthropic.wording import finding
from shared.events.investigations import SummarySentence
from shared.runbooks.model import Strict

CHOSEN_MAX = 10


class Said(Strict):
    """The answer to every small step; `chosen` are ids of options; none: what code says stands."""

    chosen: tuple[str, ...] = Field(default=(), max_length=CHOSEN_MAX)
    sentences: tuple[Claim, ...] = Field(default=(), max_length=SENTENCES_MAX)


class Advising:
    """Asks for one step."""

    tools: tuple[Block, ...] = ()

    def __init__(self, step: StepName, page: Page, veil: Veil) -> None:
        self.name = step
        self._step: StepName = step
        self._page, self._veil = page, veil

    def system(self) -> str:
        """Return the instructions."""
        return prompts.instructions(self.name)

    def pack(self) -> str:
        """Return the facts."""
        return self._page.pack(self._veil)

    def schema(self) -> dict[str, Any]:
        """Return the schema; where there is something to choose it lists what."""
        ids = [option.id for option in self._page.facts.options]
        chosen = {"type": "string", "enum": ids} if ids else {"type": "string"}
        return strict(
            {
                "chosen": {"type": "array", "items": chosen},
                "sentences": {"type": "array", "items": claim_schema()},
            }
        )

    def read(self, text: str) -> Said:
        """Return an answer."""
        try:
            return Said.model_validate_json(text)
        except ValidationError as error:
            raise GivenUpError("garbage", f"no answer of the schema: {error.errors()[0]['type']}") from error

    def problems(self, answer: Said) -> list[str]:
        """Return what is wrong with it."""
        page = self._page
        found = [text for one in answer.sentences for text in (*problems_of(one, page), *misstated(one, page))]
        found += _CHOICES[self._step](answer, page)
        return list(dict.fromkeys(found))

    def call(self, name: str, given: object) -> str:
        """Return that there is nothing to call."""
        del given
        return f"there is no tool {name[:40]!r}"


def sentences_of(said: Said, page: Page) -> tuple[SummarySentence, ...]:
    """Return what is kept of the sentences, each citing entries and evidence by their own ids."""
    kept = [told for claim in said.sentences if (told := finding(claim, page)) is not None]
    return tuple(
        SummarySentence(text=one.statement, cites=tuple(page.ids.get(cite, cite) for cite in one.cites)) for one in kept
    )


def _nothing(answer: Said, page: Page) -> Iterator[str]:
    del page
    if answer.chosen:
        yield "there is nothing to choose"


def _class(answer: Said, page: Page) -> Iterator[str]:
    """Check category and severity: one of each, and a reason for what differs from what code says."""
    if not answer.chosen:
        return
    differs = []
    for kind in ("category", "severity"):
        options = [option for option in page.facts.options if option.kind == kind]
        chosen = [option for option in options if option.id in answer.chosen]
        if len(chosen) != 1:
            yield f"choose one {kind}"
        elif chosen[0] != options[0]:
            differs.append(kind)
    if len(answer.chosen) != 2:  # noqa: PLR2004 -- one category and one severity
        yield "choose one category and one severity, and nothing else"
    if differs:
        yield from _reasoned(answer, page)
    if "severity" in differs and len(_places(answer, page)) < TROUBLED_LEAST:
        yield f"a severity is raised for what is out of order now at {TROUBLED_LEAST} places or more; cite it"


def _places(answer: Said, page: Page) -> set[str]:
    cited = [page.item(name) for claim in answer.sentences for name in claim.cites]
    return {item.entity for item in cited if item is not None and item.entity and is_wrong_now(item)}


def _ranking(answer: Said, page: Page) -> Iterator[str]:
    """Check an order of runbooks: what code put first stays first, and nothing goes before what is less risky."""
    if not answer.chosen:
        return
    known = {option.id: option for option in page.facts.options}
    given = [option.id for option in page.facts.options]
    strange = [name for name in answer.chosen if name not in known]
    if strange or len(set(answer.chosen)) != len(answer.chosen):
        yield "name each runbook by the id of its option, once"
        return
    if answer.chosen[:1] != tuple(given[:1]):
        yield f"{given[0]} stays the first"
    chosen = [known[name] for name in answer.chosen]
    yield from (
        f"{one.id} is riskier than {other.id} and may not go before it" for one, other in _overtaking(chosen, given)
    )
    if list(answer.chosen) != given:
        yield from _reasoned(answer, page)


def _overtaking(chosen: list[Option], given: list[str]) -> Iterator[tuple[Option, Option]]:
    for number, one in enumerate(chosen):
        for other in chosen[number + 1 :]:
            if given.index(one.id) > given.index(other.id) and one.rank > other.rank:
                yield one, other


def _reasoned(answer: Said, page: Page) -> Iterable[str]:
    reasons = [name for claim in answer.sentences for name in claim.cites if page.measured(name) is not None]
    return () if reasons else ("what differs from what code says needs a sentence that cites what was measured",)


_CHOICES: Mapping[StepName, Callable[[Said, Page], Iterable[str]]] = {
    "classify": _class,
    "recommend": _ranking,
    "summarise": _nothing,
    "answer": _nothing,
}
