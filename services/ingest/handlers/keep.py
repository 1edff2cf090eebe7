"""Make a delivery durable, give it a receipt, and keep account."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.domain.parsed import Parser
from services.ingest.handlers.accept import Accepted, Delivered, accept
from services.ingest.handlers.metrics import ACCEPTED
from services.ingest.handlers.redacting import AlertRedactor
from services.ingest.ports import DeliveryLog
from shared.events.envelope import VERSION_SUFFIX

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
        self._turn: list[tuple[Accepted, asyncio.Future[Delivered]]] = []
        """What came in this turn of the event loop."""

    async def keep(self, accepted: Accepted) -> str:
        """Return the receipt once the delivery is durable. Raises UnavailableError when it cannot be kept now."""
        delivered = await self._accepting(accepted)
        await self._log.append(delivered.records)
        self._accepted += len(delivered.records)
        for record in delivered.records:
            _accepted(accepted.source, record.headers["ce_type"].removesuffix(VERSION_SUFFIX)).inc()
        return delivered.receipt

    def _accepting(self, accepted: Accepted) -> asyncio.Future[Delivered]:
        """Accept a delivery together with all that come in the same turn: the same work again runs from warm caches."""
        loop = asyncio.get_running_loop()
        if not self._turn:
            loop.call_soon(self._accept_turn)
        accepting: asyncio.Future[Delivered] = loop.create_future()
        self._turn.append((accepted, accepting))
        return accepting

    def _accept_turn(self) -> None:
        turn, self._turn = self._turn, []
        for accepted, accepting in turn:
            if accepting.cancelled():
                continue
            try:
                parse = self.parsers[accepted.source]
                accepting.set_result(accept(accepted, parse, self.receipt_key, os.urandom(10), self._redactor))
            except Exception as error:  # noqa: BLE001 -- of this delivery alone; it is raised where that one is waited for
                accepting.set_exception(error)

    def account(self) -> Account:
        """Return the account of this process since its start."""
        kept = self._log.kept()
        return Account(self._accepted, kept.acked, kept.spooled, kept.in_spool)
