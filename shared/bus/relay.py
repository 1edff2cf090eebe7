"""From the outbox to the bus: one leader for each service database, in order, deleted only after the bus has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from shared.bus.port import Bus, Rejected, WireRecord
from shared.bus.topics import BEHIND
from shared.errors import UnavailableError
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.store.failpoints import reach
from shared.store.port import Outbound, Store

log = logging.getLogger("signoff.relay")

BATCH = 500
SEND_LIMIT = 10.0
"""Seconds the bus has for a batch; then the same rows go out again under the same ids."""
IDLE = 1.0
FOLLOW = 0.5
"""Seconds between two tries to become the leader."""
BACKOFF_FIRST, BACKOFF_MAX = 0.1, 5.0


class Relay:
    """Moves the outbox of a store to a bus. A row that can never be sent parks its key; other keys go on."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to relay."""
        self._task = begin_task(self._relay())

    async def stop(self) -> None:
        """Stop; what is unsent stays in the outbox. Idempotent."""
        await stop_tasks(self._task)
        self._task = None

    def ended(self) -> str | None:
        """Return how it has ended by itself, None while it relays."""
        return why_ended(self._task)

    async def _relay(self) -> None:
        pause = BACKOFF_FIRST
        while True:
            try:
                if not await self._store.lead():
                    await asyncio.sleep(FOLLOW)
                    continue
                rows = await self._store.outbox(limit=BATCH)
                if rows:
                    await self._send(rows)
                else:
                    await self._store.wait_outbox(IDLE)
            except UnavailableError as error:
                log.info("relay waits: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACKOFF_MAX)
            else:
                pause = BACKOFF_FIRST

    async def _send(self, rows: Sequence[Outbound]) -> None:
        reach("relay.before_send")
        records = [WireRecord(row.topic, row.key, row.headers, row.body) for row in rows]
        rejected = await self._bus.append(records, limit=SEND_LIMIT)
        reach("relay.after_send")
        await self._park(rows, rejected)
        left = {refusal.index for refusal in rejected}
        sent = [row for index, row in enumerate(rows) if index not in left]
        if sent:
            reach("relay.before_delete")
            await self._store.sent(sent)
            reach("relay.after_delete")

    async def _park(self, rows: Sequence[Outbound], rejected: Sequence[Rejected]) -> None:
        for refusal in rejected:
            if refusal.reason != BEHIND:
                row = rows[refusal.index]
                log.error("key %s of %s is parked: %s", row.key, row.topic, refusal.reason)
                await self._store.park_key(row.topic, row.key, refusal.reason)
