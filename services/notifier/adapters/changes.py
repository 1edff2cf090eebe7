"""The change feed for streams: one look a moment for all that follow."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from shared.errors import UnavailableError
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.store.port import Store

log = logging.getLogger("signoff.notifier")

LOOK_SECONDS = 0.15
KEEP_ALIVE_SECONDS = 10.0


class ChangeFeed:
    """Looks for changes while somebody follows, and wakes them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest = 0
        self._moved = asyncio.Condition()
        self._looking: asyncio.Task[None] | None = None
        self._followers = 0
        self._stopped = False

    async def stop(self) -> None:
        """End every stream."""
        self._stopped = True
        await stop_tasks(self._looking)
        self._looking = None
        async with self._moved:
            self._moved.notify_all()

    def ended(self) -> str | None:
        """Return how looking has ended by itself, None while it goes on or nobody has followed yet."""
        return why_ended(self._looking)

    async def newest(self) -> int:
        """Return the number of the newest change, 0 at first."""
        return await self._store.last_change()

    async def follow(self, place: int) -> AsyncIterator[list[tuple[int, str]]]:
        """Yield changes (number, incident id) after a number; an empty list every few seconds."""
        self._followers += 1
        if self._looking is None and not self._stopped:
            self._looking = begin_task(self._look())
        try:
            while not self._stopped:
                found = await self._store.changes(place)
                if found:
                    place = found[-1][0]
                    yield found
                elif not await self._wait(place):
                    yield []
        finally:
            self._followers -= 1

    async def _wait(self, place: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE_SECONDS), self._moved:
                await self._moved.wait_for(lambda: self._newest > place or self._stopped)
                return True
        return False

    async def _look(self) -> None:
        while True:
            if self._followers:
                await self._look_once()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_once(self) -> None:
        try:
            newest = await self._store.last_change()
        except UnavailableError:
            return
        except Exception:
            log.exception("the change feed cannot be read")  # No page would be live any more if nobody looked again.
            return
        if newest != self._newest:
            async with self._moved:
                self._newest = newest
                self._moved.notify_all()
