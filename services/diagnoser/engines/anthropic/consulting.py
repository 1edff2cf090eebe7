"""One consultation: what code says first and kept, then the model, then the gate."""

from __future__ import annotations

import asyncio

from services.diagnoser.domain.advice import Advice, Facts, KeptStep, StepName, unasked
from services.diagnoser.domain.case import read_case
from services.diagnoser.domain.model_use import Reach
from services.diagnoser.domain.opinion import PASSED, Opinion, marked
from services.diagnoser.domain.transcript import Transcript, Turn, cleaned
from services.diagnoser.engines.anthropic import answer as diagnosed
from services.diagnoser.engines.anthropic.advising import Advising, sentences_of
from services.diagnoser.engines.anthropic.asking import Outcome, Terms, ask
from services.diagnoser.engines.anthropic.client import Client, GivenUpError
from services.diagnoser.engines.anthropic.diagnosing import Diagnosing
from services.diagnoser.engines.anthropic.ground import Ground, ground_of
from services.diagnoser.engines.anthropic.keeping import Kept
from services.diagnoser.engines.anthropic.merging import merged
from services.diagnoser.engines.anthropic.page import Page
from services.diagnoser.engines.anthropic.recorded import RetoldClient
from services.diagnoser.engines.offline.catalogue import Catalogue


class Consultation:
    """A case that is ready to be asked about. What is large of it is not kept.

    The case is redacted before anything is made of it: afterwards a secret may be cut or masked in part, and its rest
    would be known by nothing any more. Raises ValueError when `value` is no JSON object.
    """

    def __init__(self, value: object, catalogue: Catalogue, terms: Terms, kept: Kept | None = None) -> None:
        self._terms, self._kept = terms, kept
        value, self._failed = _redacted(value, terms)
        self._ground = ground_of(read_case(value), catalogue)

    def opinion(self, client: Client | None = None) -> Opinion:
        """Return the opinion of the model in `terms`, or of `client`. Never raises for what the model does."""
        if self._failed is not None:
            return _opinion(self._ground, self._terms, Outcome(None, self._failed))
        return asyncio.run(opinion(self._ground, client, self._terms, self._kept))


def consult(value: object, catalogue: Catalogue, terms: Terms) -> Opinion:
    """Return the opinion on a case."""
    return Consultation(value, catalogue, terms).opinion()


def consult_again(value: object, catalogue: Catalogue, said: Transcript) -> Opinion:
    """Return the opinion on a case when the model says what it said before, to the pack and gate of today."""
    return Consultation(value, catalogue, _terms_of(said)).opinion(RetoldClient(said.turns))


def advise_again(kept: KeptStep, catalogue: Catalogue) -> Advice:
    """Return the advice in a small step when the model says what it said before, to the pack and gate of today."""
    said, facts = kept.replies, kept.facts.model_dump(mode="json")
    if said.unasked:
        found = unasked(said.unasked)
    else:
        found = advise(kept.step, facts, catalogue, _terms_of(said), client=RetoldClient(said.turns))
    return found.model_copy(update={"engine": said.kind})


def _terms_of(said: Transcript) -> Terms:
    reach = Reach(kind=said.kind, model=said.model, input_usd=said.input_usd, output_usd=said.output_usd)
    return Terms(reach=reach, allowance=said.allowance, look_alikes=said.look_alikes)


async def opinion(ground: Ground, client: Client | None, terms: Terms, kept: Kept | None = None) -> Opinion:
    """Return the opinion that a client gives on a case."""
    found = await ask(lambda veil: Diagnosing(ground, veil, terms.look_alikes), client, terms, kept)
    return _opinion(ground, terms, found)


def advise(
    step: StepName,
    value: object,
    catalogue: Catalogue,
    terms: Terms,
    kept: Kept | None = None,
    *,
    client: Client | None = None,
) -> Advice:
    """Return what the model in `terms`, or `client`, adds in a small step.

    `value` is `Facts` as JSON. Raises ValueError when it is not.
    """
    value, failed = _redacted(value, terms)
    page = Page(Facts.model_validate(value), catalogue)
    if failed is not None:
        said = _transcript(terms, ()).model_copy(update={"unasked": str(failed)})
        return unasked(str(failed)).model_copy(update={"replies": said})
    return asyncio.run(advice(step, page, client, terms, kept))


async def advice(step: StepName, page: Page, client: Client | None, terms: Terms, kept: Kept | None = None) -> Advice:
    """Return what a client adds in a small step. Never raises for what the model does."""
    found = await ask(lambda veil: Advising(step, page, veil), client, terms, kept)
    said = unasked(str(found.error))
    if found.answer is not None:
        sentences = sentences_of(found.answer, page)
        said = Advice(outcome=PASSED, chosen=found.answer.chosen, sentences=sentences)
    spent = {"used": found.used, "saved": found.saved, "replies": _transcript(terms, found.turns)}
    return said.model_copy(update=spent)


def _redacted(value: object, terms: Terms) -> tuple[object, GivenUpError | None]:
    try:
        return terms.redactor.value(value), None
    except Exception as error:  # noqa: BLE001 -- whatever it is, nothing was taken out
        why = f"the redactor failed ({type(error).__name__}); nothing was sent"
        return value, GivenUpError("redaction", why)


def _opinion(ground: Ground, terms: Terms, found: Outcome[diagnosed.Answer]) -> Opinion:
    engine, error = terms.reach.kind, found.error
    conclusion = marked(ground.conclusion, engine, str(error))
    if found.answer is not None:
        conclusion = merged(ground, found.answer, engine)
    return Opinion(
        conclusion=conclusion,
        used=found.used,
        saved=found.saved,
        outcome=error.reason if error else PASSED,
        replies=_transcript(terms, found.turns),
    )


def _transcript(terms: Terms, turns: tuple[Turn, ...]) -> Transcript:
    said = Transcript(**terms.reach.terms(), allowance=terms.allowance, look_alikes=terms.look_alikes, turns=turns)
    return cleaned(said, terms.redactor.value)
