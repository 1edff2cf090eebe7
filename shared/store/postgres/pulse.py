"""What wakes whoever waits in this process: bells for its own commits, and a look at the database for all others'."""

# ruff: noqa: S608 -- only constants of this package are put together here; values are parameters
from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.errors import UnavailableError
from shared.runtime.clock import monotonic
from shared.runtime.tasks import begin_task, why_ended
from shared.store.bells import Bells
from shared.store.postgres.database import Database
from shared.store.postgres.statements import NOW

PERIOD = 0.050
AWAY = 0.5
"""Seconds between two looks; the latter while the database is away."""
RECOUNT = 5.0
"""Seconds between two counts of what waits: in between, a replica counts only what it does itself."""
JUST_DUE = 0.2
"""Seconds: work due longer ago was there at the last claim, so it is nobody's here and must not wake anybody."""

_LOOK = f"""select
  exists(select 1 from outbox o where not exists
    (select 1 from parked_key p where p.topic=o.topic and p.key=o.key)) outbox,
  exists(select 1 from activity where due<={NOW} and due>{NOW}-{JUST_DUE}) activities"""
_REPLIES = "select id,body from reply where id=any($1::text[])"
_COUNT = "select coalesce(sum(tail-done),0)::bigint waiting from key_head where due is not null and tail>done"


class Pulse:
    """Bells, answers and the number of messages that wait, for one store."""

    def __init__(self, database: Database) -> None:
        self.outbox = asyncio.Event()
        self.activities = Bells()
        self.waiting = 0
        self._database = database
        self._asked: dict[str, list[asyncio.Future[str | bytes]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Count what waits and begin to look."""
        await self._count()
        self._task = begin_task(self._look_for_ever())

    async def close(self) -> None:
        """Stop, and leave nobody waiting for an answer. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        for futures in self._asked.values():
            for future in futures:
                if not future.done():
                    future.set_exception(UnavailableError(f"the store of {self._database.schema} is closed"))

    def ended(self) -> str | None:
        """Return how looking has ended by itself, None while it goes on."""
        return why_ended(self._task)

    @contextmanager
    def answer(self, message_id: str) -> Iterator[asyncio.Future[str | bytes]]:
        """Give a future of the reply to a message, as JSON text."""
        future: asyncio.Future[str | bytes] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(message_id, []).append(future)
        try:
            yield future
        finally:
            waiters = self._asked.get(message_id, [])
            if future in waiters:
                waiters.remove(future)
            if not waiters:
                self._asked.pop(message_id, None)

    def reply(self, message_id: str, body: str | bytes) -> None:
        """Answer all who ask for this message."""
        for future in self._asked.pop(message_id, ()):
            if not future.done():
                future.set_result(body)

    async def _look_for_ever(self) -> None:
        counted = monotonic()
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self._look()
                if monotonic() - counted > RECOUNT:
                    await self._count()
                    counted = monotonic()
            except UnavailableError:
                await asyncio.sleep(AWAY)

    async def _look(self) -> None:
        found = await self._database.row(_LOOK)
        if found["outbox"]:
            self.outbox.set()
        if found["activities"]:
            self.activities.ring()
        if self._asked:
            for message_id, body in await self._database.fetch(_REPLIES, list(self._asked)):
                self.reply(message_id, body)

    async def _count(self) -> None:
        """Count anew; what this process did meanwhile is kept, and whatever that gets wrong is mended next time."""
        before = self.waiting
        counted = (await self._database.row(_COUNT))["waiting"]
        self.waiting = counted + self.waiting - before


async def wait(bell: asyncio.Event, limit: float) -> None:
    """Return when the bell has rung, or after `limit` seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await bell.wait()
    bell.clear()
