"""Make a delivery durable, give it a receipt, and keep account."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.domain.parsed import Parser
from services.ingest.handlers.accept import Accepted, accept
from services.ingest.handlers.metrics import ACCEPTED
from services.ingest.ports import DeliveryLog
from shared.events.envelope import VERSION_SUFFIX
from shared.telemetry.redacting import Redactor

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

    def __init__(self, log: DeliveryLog, parsers: Mapping[str, Parser], receipt_key: bytes, redactor: Redactor) -> None:
        self.parsers = parsers
        self.receipt_key = receipt_key
        self._log = log
        self._redactor = redactor
        self._accepted = 0

    async def keep(self, accepted: Accepted) -> str:
        """Return the receipt once the delivery is durable. Raises UnavailableError when it cannot be kept now."""
        delivered = accept(accepted, self.parsers[accepted.source], self.receipt_key, os.urandom(10), self._redactor)
        await self._log.append(delivered.records)
        self._accepted += len(delivered.records)
        for record in delivered.records:
            _accepted(accepted.source, record.headers["ce_type"].removesuffix(VERSION_SUFFIX)).inc()
        return delivered.receipt

    def account(self) -> Account:
        """Return the account of this process since its start."""
        kept = self._log.kept()
        return Account(self._accepted, kept.acked, kept.spooled, kept.in_spool)
