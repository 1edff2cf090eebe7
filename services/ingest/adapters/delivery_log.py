"""The bus first, the spool when it does not answer: a circuit that probes each second.

While a key has deliveries in the spool its new ones go there too, so that their order stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from services.ingest.handlers.spool import spooled
from services.ingest.ports import Account, DeliveryLog
from shared.bus.port import Bus, WireRecord
from shared.errors import UnavailableError
from shared.runtime.clock import monotonic
from shared.store.port import Store

log = logging.getLogger("signoff.ingest")

PROBE_SECONDS = 1.0


class CircuitLog(DeliveryLog):
    """`open`: the bus did not answer in time; everything spools until a probe a second later succeeds."""

    def __init__(self, bus: Bus, store: Store, *, append_seconds: float, spool_max: int) -> None:
        self._bus = bus
        self._store = store
        self._append_seconds = append_seconds
        self._spool_max = spool_max
        self._opened: float | None = None
        self._keys: set[str] | None = None
        """Keys with rows in the spool; None: unknown, as after a start with a full spool."""
        self._in_spool = 0
        self._being_spooled = 0
        self._accepted = self._acked = self._spooled = 0
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look what an earlier process left in the spool, and begin to watch it."""
        self._keys = None if await self._left() else set()
        self._watch = asyncio.create_task(self._watching())

    async def stop(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    @property
    def problem(self) -> str | None:
        """Why deliveries are being spooled, None when they are not."""
        return "the bus does not answer; deliveries are spooled" if self._opened is not None else None

    async def append(self, records: Sequence[WireRecord]) -> None:
        """Keep the records, on the bus or in the spool. Raises UnavailableError when neither takes them."""
        if self._must_spool(records):
            await self._spool(records)
        else:
            await self._append(records)
        self._accepted += len(records)

    def account(self) -> Account:
        """Return the counts since the start."""
        return Account(self._accepted, self._acked, self._spooled)

    def _must_spool(self, records: Sequence[WireRecord]) -> bool:
        if self._keys is None or any(record.key in self._keys for record in records):
            return True
        return self._opened is not None and monotonic() - self._opened < PROBE_SECONDS

    async def _append(self, records: Sequence[WireRecord]) -> None:
        if self._opened is not None:
            self._opened = monotonic()  # one probe a second; the others spool meanwhile
        try:
            rejected = await self._bus.append(records, limit=self._append_seconds)
        except UnavailableError as error:
            if self._opened is None:
                log.warning("bus does not answer, deliveries are spooled: %s", error)
            self._opened = monotonic()
            await self._spool(records)
            return
        if rejected:
            raise UnavailableError(f"the bus refuses the delivery: {rejected[0].reason}")
        if self._opened is not None:
            log.warning("bus answers again")
        self._opened = None
        self._acked += len(records)

    async def _spool(self, records: Sequence[WireRecord]) -> None:
        if self._in_spool + len(records) > self._spool_max:
            raise UnavailableError(f"the spool is full ({self._in_spool} deliveries)")
        if self._keys is not None:
            self._keys.update(record.key for record in records)
        self._in_spool += len(records)
        self._being_spooled += 1
        try:
            await self._store.take([spooled(record) for record in records])
        finally:
            self._being_spooled -= 1
        self._spooled += len(records)

    async def _left(self) -> bool:
        return bool(self._store.waiting()) or bool(await self._store.outbox(limit=1))

    async def _watching(self) -> None:
        """Forget the keys once the spool has run empty."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            if self._keys == set():
                continue
            before = self._spooled
            try:
                if await self._left() or self._being_spooled or self._spooled != before:
                    continue
            except UnavailableError:
                continue
            self._keys, self._in_spool = set(), 0
