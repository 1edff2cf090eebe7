"""Removes what has been kept long enough from the diagnoser's own tables, in small steps."""

from __future__ import annotations

import asyncio

from sqlalchemy import Delete, delete, select, tuple_

from services.diagnoser.adapters.tables import DISPOSITION, INVESTIGATION, MODEL_USE, PAST_INCIDENT, VERDICT
from shared.runtime.tasks import stop_tasks
from shared.store.port import Store
from shared.store.retention import keep_small

DAY = 86_400.0
INVESTIGATIONS_FOR = 30 * DAY
DISPOSITIONS_FOR = 90 * DAY
MODEL_USE_FOR = 400 * DAY
EXPERIENCE_FOR = 400 * DAY
"""Verdicts and past incidents."""
STEP = 200
PAUSE = 600.0


class Retention:
    """One task that looks every ten minutes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(keep_small(self.step, pause=PAUSE))

    async def stop(self) -> None:
        """Stop. Idempotent."""
        await stop_tasks(self._task)
        self._task = None

    async def step(self) -> int:
        """Remove one small step of each table; return how many rows went."""
        now = await self._store.now()
        statements = (
            _old_investigations(now),
            _old_dispositions(now),
            _old_use(now),
            _old_verdicts(now),
            _old_past(now),
        )
        return sum([len(await self._store.execute(statement)) for statement in statements])


def _old_investigations(now: float) -> Delete:
    key = (INVESTIGATION.c.id, INVESTIGATION.c.fence)
    old = select(*key).where(INVESTIGATION.c.at < now - INVESTIGATIONS_FOR).limit(STEP)
    return delete(INVESTIGATION).where(tuple_(*key).in_(old)).returning(INVESTIGATION.c.id)  # type: ignore[return-value]  # a delete that returns is one


def _old_dispositions(now: float) -> Delete:
    old = select(DISPOSITION.c.message_id).where(DISPOSITION.c.received_at < now - DISPOSITIONS_FOR).limit(STEP)
    return delete(DISPOSITION).where(DISPOSITION.c.message_id.in_(old)).returning(DISPOSITION.c.message_id)  # type: ignore[return-value]  # as above


def _old_use(now: float) -> Delete:
    key = (MODEL_USE.c.scope, MODEL_USE.c.id)
    old = select(*key).where(MODEL_USE.c.at < now - MODEL_USE_FOR).limit(STEP)
    return delete(MODEL_USE).where(tuple_(*key).in_(old)).returning(MODEL_USE.c.id)  # type: ignore[return-value]  # as above


def _old_verdicts(now: float) -> Delete:
    key = (VERDICT.c.incident_id, VERDICT.c.person)
    old = select(*key).where(VERDICT.c.at < now - EXPERIENCE_FOR).limit(STEP)
    return delete(VERDICT).where(tuple_(*key).in_(old)).returning(VERDICT.c.incident_id)  # type: ignore[return-value]  # as above


def _old_past(now: float) -> Delete:
    key = PAST_INCIDENT.c.incident_id
    old = select(key).where(PAST_INCIDENT.c.at < now - EXPERIENCE_FOR).limit(STEP)
    return delete(PAST_INCIDENT).where(key.in_(old)).returning(key)  # type: ignore[return-value]  # as above
