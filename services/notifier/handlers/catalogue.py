"""The causes that a verdict may name, as the diagnoser tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.notifier.ports import Peer
from shared.errors import SignoffError
from shared.runtime.clock import monotonic

FRESH = 300.0
"""Seconds for which an answer counts."""
AGAIN = 15.0
"""Seconds after which a diagnoser that did not answer is asked again."""
PATIENCE = 1.0
"""Seconds that a page waits."""


@dataclass(frozen=True, slots=True)
class CauseName:
    """A cause and what it is called; places that it names are left open."""

    id: str
    title: str


class Catalogue:
    """Asks rarely and never for long: a page without the list is better than none."""

    def __init__(self, diagnoser: Peer) -> None:
        self._diagnoser = diagnoser
        self._known: tuple[CauseName, ...] = ()
        self._due = 0.0
        self._asking = asyncio.Lock()

    async def causes(self) -> Sequence[CauseName]:
        """Return all causes; what was known before, which is none at first, while the diagnoser does not answer."""
        async with self._asking:
            if monotonic() >= self._due:
                self._due = monotonic() + (FRESH if await self._ask() else AGAIN)
        return self._known

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                told = await self._diagnoser.get("/causes")
        except (SignoffError, TimeoutError):
            return False
        self._known = tuple(CauseName(one["id"], one["title"]) for one in told)
        return True
