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
from shared.bus.port import Bus, Rejected, WireRecord
from shared.errors import UnavailableError
from shared.runtime.clock import monotonic
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
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

    def ended(self) -> str | None:
        """Return how watching the spool has ended by itself, None while it goes on."""
        return why_ended(self._watch)

    def problem(self) -> str | None:
        """Return why senders are told 503; None while deliveries are kept, be it in the spool."""
        full = self._in_spool >= self._spool_max
        return f"the spool is full ({self._in_spool} messages) and the bus does not take them" if full else None

    async def append(self, deliveries: Sequence[Sequence[WireRecord]]) -> Sequence[UnavailableError | None]:
        """Keep the records of each delivery, on the bus or in the spool; say of each why neither takes it, if so."""
        if self._opened is None and self._keys == set():
            return await self._append(deliveries)
        ways: dict[bool, list[int]] = {True: [], False: []}
        for number, records in enumerate(deliveries):
            must_spool = self._must_spool(records)
            ways[must_spool].append(number)
            if not must_spool and self._opened is not None:
                self._opened = monotonic()  # One probe a second; the others spool meanwhile.
        spooled_now, sent = await asyncio.gather(
            self._spool([deliveries[number] for number in ways[True]]),
            self._append([deliveries[number] for number in ways[False]]),
        )
        found = dict(zip(ways[True] + ways[False], [*spooled_now, *sent], strict=True))
        return [found[number] for number in range(len(deliveries))]

    def kept(self) -> Kept:
        """Return the counts since the start."""
        return Kept(self._acked, self._spooled, self._in_spool)

    def _must_spool(self, records: Sequence[WireRecord]) -> bool:
        if self._keys is None or (self._keys and any(record.key in self._keys for record in records)):
            return True
        return self._opened is not None and monotonic() - self._opened < PROBE_SECONDS

    async def _append(self, deliveries: Sequence[Sequence[WireRecord]]) -> Sequence[UnavailableError | None]:
        if not deliveries:
            return []
        began = monotonic()
        try:
            rejected = await self._bus.append([record for one in deliveries for record in one], limit=self._limit)
        except UnavailableError as error:
            if self._answered < began:  # Else it came back while this one waited.
                if self._opened is None:
                    log.warning("the bus does not answer, deliveries are spooled: %s", error)
                self._opened = monotonic()
            return await self._spool(deliveries)
        if self._opened is not None:
            log.warning("the bus answers again")
        self._opened, self._answered = None, monotonic()
        problems = _problems(deliveries, rejected) if rejected else [None] * len(deliveries)
        acked = sum(len(records) for records, problem in zip(deliveries, problems, strict=True) if problem is None)
        self._acked += acked
        ACKED.inc(acked)
        return problems

    async def _spool(self, deliveries: Sequence[Sequence[WireRecord]]) -> Sequence[UnavailableError | None]:
        taken: list[WireRecord] = []
        problems: list[UnavailableError | None] = []
        for records in deliveries:
            full = self._in_spool + len(taken) + len(records) > self._spool_max
            problems.append(UnavailableError(f"the spool is full ({self._in_spool} messages)") if full else None)
            taken += () if full else records
        if taken and (problem := await self._take(taken)):
            return [problem] * len(deliveries)
        return problems

    async def _take(self, records: Sequence[WireRecord]) -> UnavailableError | None:
        if self._keys is not None:
            self._keys.update(record.key for record in records)
        self._in_spool += len(records)
        self._being_spooled += len(records)
        try:
            async with asyncio.timeout(self._limit):
                await self._store.take([spooled(record) for record in records])
        except TimeoutError:
            return UnavailableError(f"the spool took nothing for {self._limit:g} s")
        except UnavailableError as error:
            return error
        finally:
            self._being_spooled -= len(records)
        self._spooled += len(records)
        SPOOLED.inc(len(records))
        return None

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
            # What came meanwhile may be in `left` or not; what was added up so far is too much at most, as this is.
            self._in_spool = min(self._in_spool, left + self._being_spooled + self._spooled - before)
            if not self._in_spool:
                self._keys = set()


def _problems(
    deliveries: Sequence[Sequence[WireRecord]], rejected: Sequence[Rejected]
) -> Sequence[UnavailableError | None]:
    """Return of each delivery why the bus refuses a record of it, if it does."""
    owners = [number for number, records in enumerate(deliveries) for _ in records]
    reasons = {owners[one.index]: one.reason for one in reversed(rejected)}
    return [
        UnavailableError(f"the bus refuses the delivery: {reasons[number]}") if number in reasons else None
        for number in range(len(deliveries))
    ]
