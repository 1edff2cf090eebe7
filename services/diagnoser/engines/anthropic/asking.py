"""Asks the configured model about one step, within its terms: an answer that passed the gate, or why there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic

from pydantic import Field

from services.diagnoser.domain.model_use import Reach, Use
from services.diagnoser.domain.transcript import Turn
from services.diagnoser.engines.anthropic.client import Client, GivenUpError
from services.diagnoser.engines.anthropic.conversation import Conversation
from services.diagnoser.engines.anthropic.keeping import KeepingClient, Kept
from services.diagnoser.engines.anthropic.prices import price_of
from services.diagnoser.engines.anthropic.recorded import RecordedClient
from services.diagnoser.engines.anthropic.step import Answer, Step
from services.diagnoser.engines.anthropic.veil import Veil
from shared.incident.evidence import LookAlike
from shared.incident.model import Model
from shared.telemetry.redacting import Redactor

NOTHING = Use()


class Terms(Model):
    """How one consultation reaches the model, what it may use, and which past incidents it may be shown."""

    reach: Reach
    allowance: Use = Field(default_factory=Use)
    look_alikes: tuple[LookAlike, ...] = ()

    @cached_property
    def redactor(self) -> Redactor:
        """What takes the key, and whatever looks like a secret, out of all that is sent, said and kept."""
        return Redactor([self.reach.key.get_secret_value()])


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Answer]):
    """What came of asking: an answer that passed, or why there is none."""

    answer: Answer | None
    error: GivenUpError | None = None
    used: Use = NOTHING
    saved: Use = NOTHING
    turns: tuple[Turn, ...] = ()


async def ask(
    make: Callable[[Veil], Step[Answer]], given: Client | None, terms: Terms, kept: Kept | None
) -> Outcome[Answer]:
    """Return what comes of asking `given`, or the client of the terms. Never raises for what a model does."""
    try:
        async with nullcontext(given) if given is not None else client_of(terms.reach) as client:
            return await _talk(make, client, terms, kept)
    except GivenUpError as error:
        return Outcome(None, error)


async def _talk(
    make: Callable[[Veil], Step[Answer]], client: Client, terms: Terms, kept: Kept | None
) -> Outcome[Answer]:
    """Return what a client answers. Raises GivenUpError only before anything was asked."""
    keeping = KeepingClient(client, kept, terms.reach) if kept is not None else None
    veil = Veil(terms.redactor)
    talk = Conversation(keeping or client, make(veil), veil, terms.allowance, price_of(terms.reach))
    answer, failed = None, None
    try:
        answer = await talk.answer()
    except GivenUpError as error:
        failed = error
    else:
        if keeping is not None:
            keeping.keep()
    return Outcome(answer, failed, talk.used, talk.saved, talk.turns)


@asynccontextmanager
async def client_of(reach: Reach) -> AsyncIterator[Client]:
    """Yield the client of a configuration."""
    if reach.kind == "recorded":
        yield RecordedClient(Path(reach.replies))
        return
    from services.diagnoser.engines.anthropic.sdk import sdk_client  # noqa: PLC0415 -- 50 MB and 0.8 s that only this client needs

    async with sdk_client(reach) as client:
        yield client
