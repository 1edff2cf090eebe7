"""Removes what has been kept long enough from the diagnoser's own tables, in small steps."""

from __future__ import annotations

import asyncio
import contextlib

from sqlalchemy import Delete, delete, select, tuple_

from services.diagnoser.adapters.tables import DISPOSITION, INVESTIGATION
from shared.errors import UnavailableError
from shared.store.port import Store

DAY = 86_400.0
INVESTIGATIONS_FOR = 30 * DAY
DISPOSITIONS_FOR = 90 * DAY
STEP = 200
PAUSE = 600.0
STEP_PAUSE = 0.05


class Retention:
    """One task that looks every ten minutes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._for_ever())

    async def stop(self) -> None:
        """Stop. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _for_ever(self) -> None:
        gone = 0
        while True:
            await asyncio.sleep(STEP_PAUSE if gone else PAUSE)
            try:
                gone = await self.step()
            except UnavailableError:
                gone = 0

    async def step(self) -> int:
        """Remove one small step of each table; return how many rows went."""
        now = await self._store.now()
        statements = (_old_investigations(now), _old_dispositions(now))
        return sum([len(await self._store.execute(statement)) for statement in statements])


def _old_investigations(now: float) -> Delete:
    key = (INVESTIGATION.c.id, INVESTIGATION.c.fence)
    old = select(*key).where(INVESTIGATION.c.at < now - INVESTIGATIONS_FOR).limit(STEP)
    return delete(INVESTIGATION).where(tuple_(*key).in_(old)).returning(INVESTIGATION.c.id)  # type: ignore[return-value]  # a delete that returns is one


def _old_dispositions(now: float) -> Delete:
    old = select(DISPOSITION.c.message_id).where(DISPOSITION.c.received_at < now - DISPOSITIONS_FOR).limit(STEP)
    return delete(DISPOSITION).where(DISPOSITION.c.message_id.in_(old)).returning(DISPOSITION.c.message_id)  # type: ignore[return-value]  # as above
