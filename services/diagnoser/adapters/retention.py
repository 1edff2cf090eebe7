"""Removes what has been kept long enough from the diagnoser's own tables, in small steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import Column, Delete, delete, select, tuple_

from services.diagnoser.adapters.tables import BACKGROUND, DISPOSITION, INVESTIGATION, MODEL_USE, PAST_INCIDENT, VERDICT
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.store.port import Store
from shared.store.retention import keep_small

DAY = 86_400.0
INVESTIGATIONS_FOR = 30 * DAY
DISPOSITIONS_FOR = 90 * DAY
MODEL_USE_FOR = 400 * DAY
BACKGROUNDS_FOR = 35 * DAY
EXPERIENCE_FOR = 400 * DAY
"""Verdicts and past incidents."""
KEPT: tuple[tuple[Column[float], float], ...] = (
    (INVESTIGATION.c.at, INVESTIGATIONS_FOR),
    (DISPOSITION.c.received_at, DISPOSITIONS_FOR),
    (MODEL_USE.c.at, MODEL_USE_FOR),
    (BACKGROUND.c.at, BACKGROUNDS_FOR),
    (VERDICT.c.at, EXPERIENCE_FOR),
    (PAST_INCIDENT.c.at, EXPERIENCE_FOR),
)
"""By which column a table's rows grow old, and for how many seconds they are kept."""
STEP = 200
PAUSE = 600.0


class PeriodicTask:
    """Takes one small step after the other, and rests `pause` seconds when a step found nothing to do."""

    def __init__(self, step: Callable[[], Awaitable[int]], pause: float) -> None:
        self._step = step
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with a rest."""
        self._task = begin_task(keep_small(self._step, pause=self._pause))

    async def stop(self) -> None:
        """Stop. Idempotent."""
        await stop_tasks(self._task)
        self._task = None

    def ended(self) -> str | None:
        """Return how it has ended by itself, None while it goes on."""
        return why_ended(self._task)


class Retention(PeriodicTask):
    """Looks every ten minutes."""

    def __init__(self, store: Store) -> None:
        super().__init__(self.step, PAUSE)
        self._store = store

    async def step(self) -> int:
        """Remove one small step of each table; return how many rows went."""
        now = await self._store.now()
        return sum([len(await self._store.execute(_old(time, now - kept))) for time, kept in KEPT])


def _old(time: Column[float], before: float) -> Delete:
    key = time.table.primary_key.columns
    old = select(*key).where(time < before).limit(STEP)
    return delete(time.table).where(tuple_(*key).in_(old)).returning(*key)  # type: ignore[return-value]  # a delete that returns is one
