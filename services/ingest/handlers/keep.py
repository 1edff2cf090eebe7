"""Make a delivery durable, give it a receipt, and keep account."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingest.domain.parsed import Parser
from services.ingest.handlers.accept import Accepted, Delivered, accept
from services.ingest.handlers.metrics import ACCEPTED
from services.ingest.handlers.redacting import AlertRedactor
from services.ingest.ports import DeliveryLog
from shared.events.envelope import VERSION_SUFFIX
from shared.runtime.clock import wall

_accepted = functools.cache(ACCEPTED.labels)


@dataclass(frozen=True, slots=True)
class Account:
    """Messages since the start. `accepted`, counted where senders are answered, must be `acked` + `spooled`."""

    accepted: int
    acked: int
    spooled: int
    in_spool: int

    @property
    def unaccounted(self) -> int:
        """How many are missing, or were counted without being kept; 0 unless there is a bug."""
        return self.accepted - self.acked - self.spooled


class _Keeping(NamedTuple):
    """A delivery that is being kept."""

    accepted: Accepted
    receipt: asyncio.Future[str]


class Keeper:
    """Where every authentic delivery goes, whichever door it came through. `parsers` names the sources there are."""

    def __init__(
        self, log: DeliveryLog, parsers: Mapping[str, Parser], receipt_key: bytes, redactor: AlertRedactor
    ) -> None:
        self.parsers = parsers
        self.receipt_key = receipt_key
        self._log = log
        self._redactor = redactor
        self._accepted = 0
        self._turn: list[_Keeping] = []
        """What came in this turn of the event loop."""
        self._now = 0.0
        self._appending: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        """Return when what comes in this turn comes: at one time, so that it is made text of once."""
        if not self._turn:
            self._now = wall()
        return self._now

    def keep(self, accepted: Accepted) -> asyncio.Future[str]:
        """Return what becomes the receipt once the delivery is durable, or UnavailableError: it cannot be kept now.

        All that come in the same turn are kept together: the same work again runs from warm caches, and the bus is
        asked once.
        """
        loop = asyncio.get_running_loop()
        if not self._turn:
            loop.call_soon(self._end_turn)
        keeping = _Keeping(accepted, loop.create_future())
        self._turn.append(keeping)
        return keeping.receipt

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, []
        delivered = [(one, found) for one in turn if (found := self._accept(one)) is not None]
        if delivered:
            appending = asyncio.get_running_loop().create_task(self._append(delivered))
            self._appending.add(appending)
            appending.add_done_callback(self._appending.discard)

    def _accept(self, one: _Keeping) -> Delivered | None:
        if one.receipt.cancelled():  # Its sender has gone.
            return None
        try:
            parse = self.parsers[one.accepted.source]
            return accept(one.accepted, parse, self.receipt_key, os.urandom(10), self._redactor)
        except Exception as error:  # noqa: BLE001 -- of this delivery alone; it is raised where that one is waited for
            one.receipt.set_exception(error)
            return None

    async def _append(self, turn: Sequence[tuple[_Keeping, Delivered]]) -> None:
        told: Sequence[Exception | None]
        try:
            told = await self._log.append([delivered.records for _, delivered in turn])
        except Exception as error:  # noqa: BLE001 -- it is raised where each of them is waited for
            told = [error] * len(turn)
        counts: dict[tuple[str, str], int] = {}
        for (one, delivered), problem in zip(turn, told, strict=True):
            if problem is None:  # Counted also when its sender has gone meanwhile: it is kept.
                for record in delivered.records:
                    kind = (one.accepted.source, record.headers["ce_type"])
                    counts[kind] = counts.get(kind, 0) + 1
            if one.receipt.cancelled():
                continue
            if problem is None:
                one.receipt.set_result(delivered.receipt)
            else:
                one.receipt.set_exception(problem)
        self._accepted += sum(counts.values())
        for (source, event_type), count in counts.items():
            _accepted(source, event_type.removesuffix(VERSION_SUFFIX)).inc(count)

    def account(self) -> Account:
        """Return the account of this process since its start."""
        kept = self._log.kept()
        return Account(self._accepted, kept.acked, kept.spooled, kept.in_spool)
