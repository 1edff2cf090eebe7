"""One consultation: the offline answer first and kept, then the model, then the gate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from pydantic import Field

from services.diagnoser.domain.case import read_case
from services.diagnoser.domain.model_use import Reach, Use
from services.diagnoser.domain.opinion import PASSED, Opinion, marked
from services.diagnoser.domain.transcript import Transcript, Turn, cleaned
from services.diagnoser.engines.anthropic.client import Client, GivenUpError
from services.diagnoser.engines.anthropic.conversation import Conversation
from services.diagnoser.engines.anthropic.ground import Ground, ground_of
from services.diagnoser.engines.anthropic.merging import merged
from services.diagnoser.engines.anthropic.prices import price_of
from services.diagnoser.engines.anthropic.recorded import RecordedClient, RetoldClient
from services.diagnoser.engines.anthropic.veil import Veil
from services.diagnoser.engines.offline.catalogue import Catalogue
from shared.incident.model import Model
from shared.telemetry.redacting import Redactor


class Terms(Model):
    """How one consultation reaches the model, and what it may use."""

    reach: Reach
    allowance: Use = Field(default_factory=Use)


class Consultation:
    """A case that is ready to be asked about. What is large of it is not kept.

    The case is redacted before anything is made of it: afterwards a secret may be cut or masked in part, and its rest
    would be known by nothing any more. Raises ValueError when `value` is no JSON object.
    """

    def __init__(self, value: object, catalogue: Catalogue, terms: Terms) -> None:
        self._terms = terms
        self._failed: GivenUpError | None = None
        try:
            value = Redactor([terms.reach.key.get_secret_value()]).value(value)
        except Exception as error:  # noqa: BLE001 -- whatever it is, nothing was taken out
            self._failed = GivenUpError("redaction", f"the redactor failed ({type(error).__name__}); nothing was sent")
        self._ground = ground_of(read_case(value), catalogue)

    def opinion(self, client: Client | None = None) -> Opinion:
        """Return the opinion of the model in `terms`, or of `client`. Never raises for what the model does."""
        if self._failed is not None:
            return _without(self._ground, self._terms, self._failed)
        return asyncio.run(_consult(self._ground, self._terms, client))


def consult(value: object, catalogue: Catalogue, terms: Terms) -> Opinion:
    """Return the opinion on a case."""
    return Consultation(value, catalogue, terms).opinion()


def consult_again(value: object, catalogue: Catalogue, said: Transcript) -> Opinion:
    """Return the opinion on a case when the model says what it said before, to the pack and gate of today."""
    reach = Reach(kind=said.kind, model=said.model, input_usd=said.input_usd, output_usd=said.output_usd)
    return Consultation(value, catalogue, Terms(reach=reach, allowance=said.allowance)).opinion(
        RetoldClient(said.turns)
    )


async def _consult(ground: Ground, terms: Terms, given: Client | None) -> Opinion:
    try:
        async with nullcontext(given) if given is not None else client_of(terms.reach) as client:
            return await opinion(ground, client, terms)
    except GivenUpError as error:
        return _without(ground, terms, error)


async def opinion(ground: Ground, client: Client, terms: Terms) -> Opinion:
    """Return the opinion that a client gives. Raises GivenUpError only before anything was asked."""
    veil = Veil(Redactor([terms.reach.key.get_secret_value()]))
    talk = Conversation(client, ground, veil, terms.allowance, price_of(terms.reach))
    try:
        answer = await talk.answer()
    except GivenUpError as error:
        return _without(ground, terms, error, talk)
    conclusion = merged(ground, answer, terms.reach.kind)
    return Opinion(conclusion=conclusion, used=talk.used, outcome=PASSED, replies=_transcript(terms, talk.turns))


@asynccontextmanager
async def client_of(reach: Reach) -> AsyncIterator[Client]:
    """Yield the client of a configuration."""
    if reach.kind == "recorded":
        yield RecordedClient(Path(reach.replies))
        return
    from services.diagnoser.engines.anthropic.sdk import sdk_client  # noqa: PLC0415 -- 50 MB and 0.8 s that only this client needs

    async with sdk_client(reach) as client:
        yield client


def _without(ground: Ground, terms: Terms, error: GivenUpError, talk: Conversation | None = None) -> Opinion:
    return Opinion(
        conclusion=marked(ground.conclusion, terms.reach.kind, str(error)),
        used=talk.used if talk else Use(),
        outcome=error.reason,
        replies=_transcript(terms, talk.turns if talk else ()),
    )


def _transcript(terms: Terms, turns: tuple[Turn, ...]) -> Transcript:
    reach = terms.reach
    said = Transcript(**reach.terms(), allowance=terms.allowance, turns=turns)
    return cleaned(said, Redactor([reach.key.get_secret_value()]).value)
