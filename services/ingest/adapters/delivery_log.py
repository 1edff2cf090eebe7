"""The bus first, the spool when it does not answer: a circuit that probes each second.

While a key has deliveries in the spool its new ones go there too, so that their order stays.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

from sqlalchemy import func, select, table

from services.ingest.handlers.metrics import ACKED, SPOOLED
from services.ingest.handlers.spool import spooled
from services.ingest.ports import DeliveryLog, Kept
from shared.bus.port import Bus, WireRecord
from shared.errors import UnavailableError
from shared.runtime.clock import monotonic
from shared.runtime.tasks import begin_task, stop_tasks
from shared.store.port import Store

log = logging.getLogger("signoff.ingest")

PROBE_SECONDS = 1.0
DRAIN_POLL = 0.1
"""Seconds between two looks whether the spool has run empty."""
_UNSENT = select(func.count()).select_from(table("outbox"))


class CircuitLog(DeliveryLog):
    """`open`: the bus did not answer in time; everything spools until a probe a second later succeeds.

    `limit` is how many seconds the bus has to acknowledge, and then the spool.
    """

    def __init__(self, bus: Bus, store: Store, *, limit: float, spool_max: int) -> None:
        self._bus = bus
        self._store = store
        self._limit = limit
        self._spool_max = spool_max
        self._opened: float | None = None
        self._answered = -math.inf
        """When the bus acknowledged last."""
        self._keys: set[str] | None = None
        """Keys with rows in the spool; None: unknown, as after a start with rows in it."""
        self._in_spool = 0
        self._being_spooled = 0
        self._acked = self._spooled = 0
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look what an earlier process left in the spool, and begin to watch it."""
        self._in_spool = await self._count()
        self._keys = None if self._in_spool else set()
        self._watch = begin_task(self._watching())

    async def stop(self) -> None:
        """Stop watching."""
        await stop_tasks(self._watch)

    @property
    def is_open(self) -> bool:
        """Whether the bus did not answer."""
        return self._opened is not None

    def problem(self) -> str | None:
        """Return why senders are told 503; None while deliveries are kept, be it in the spool."""
        full = self._in_spool >= self._spool_max
        return f"the spool is full ({self._in_spool} messages) and the bus does not take them" if full else None

    async def append(self, records: Sequence[WireRecord]) -> None:
        """Keep the records, on the bus or in the spool. Raises UnavailableError when neither takes them."""
        if self._must_spool(records):
            await self._spool(records)
        else:
            await self._append(records)

    def kept(self) -> Kept:
        """Return the counts since the start."""
        return Kept(self._acked, self._spooled, self._in_spool)

    def _must_spool(self, records: Sequence[WireRecord]) -> bool:
        if self._keys is None or (self._keys and any(record.key in self._keys for record in records)):
            return True
        return self._opened is not None and monotonic() - self._opened < PROBE_SECONDS

    async def _append(self, records: Sequence[WireRecord]) -> None:
        if self._opened is not None:
            self._opened = monotonic()  # One probe a second; the others spool meanwhile.
        began = monotonic()
        try:
            rejected = await self._bus.append(records, limit=self._limit)
        except UnavailableError as error:
            if self._answered < began:  # Else it came back while this one waited.
                if self._opened is None:
                    log.warning("the bus does not answer, deliveries are spooled: %s", error)
                self._opened = monotonic()
            await self._spool(records)
            return
        if rejected:
            raise UnavailableError(f"the bus refuses the delivery: {rejected[0].reason}")
        if self._opened is not None:
            log.warning("the bus answers again")
        self._opened, self._answered = None, monotonic()
        self._acked += len(records)
        ACKED.inc(len(records))

    async def _spool(self, records: Sequence[WireRecord]) -> None:
        if self._in_spool + len(records) > self._spool_max:
            raise UnavailableError(f"the spool is full ({self._in_spool} messages)")
        if self._keys is not None:
            self._keys.update(record.key for record in records)
        self._in_spool += len(records)
        self._being_spooled += len(records)
        try:
            async with asyncio.timeout(self._limit):
                await self._store.take([spooled(record) for record in records])
        except TimeoutError as error:
            raise UnavailableError(f"the spool took nothing for {self._limit:g} s") from error
        finally:
            self._being_spooled -= len(records)
        self._spooled += len(records)
        SPOOLED.inc(len(records))

    async def _count(self) -> int:
        """Return how many messages the spool holds: undecided ones and those that are not sent yet."""
        undecided = self._store.waiting()  # First: what is decided meanwhile is then counted twice, never missed.
        [unsent] = await self._store.select(_UNSENT)
        return undecided + int(next(iter(unsent.values())))

    async def _watching(self) -> None:
        """Follow how full the spool is, and forget its keys once it has run empty."""
        while True:
            await asyncio.sleep(DRAIN_POLL)
            if self._keys == set():
                continue
            before = self._spooled
            try:
                left = await self._count()
            except UnavailableError:
                continue
            # What came meanwhile may be in `left` or not.
            self._in_spool = left + self._being_spooled + self._spooled - before
            if not self._in_spool:
                self._keys = set()
