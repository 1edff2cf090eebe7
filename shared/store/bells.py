"""Bells for work: what waits for one name is not slept over because somebody else heard the same ring."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress


class Bells:
    """A bell for each set of names that is looked for: hush before the look, wait after it, and nothing is missed."""

    def __init__(self) -> None:
        self._bells: defaultdict[frozenset[str], asyncio.Event] = defaultdict(asyncio.Event)

    def hush(self, names: Collection[str]) -> None:
        """Forget rings for these names: who calls is about to look."""
        self._bells[frozenset(names)].clear()

    def ring(self) -> None:
        """Wake all who wait, and whoever has looked and is about to wait."""
        for bell in self._bells.values():
            bell.set()

    async def wait(self, names: Collection[str], limit: float) -> None:
        """Return when it has rung since the last look for these names, or after `limit` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._bells[frozenset(names)].wait()
