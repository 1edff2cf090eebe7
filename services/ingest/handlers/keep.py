"""Make a delivery durable and give it a receipt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.domain.parsed import Parser
from services.ingest.handlers.accept import Accepted, accept
from services.ingest.ports import DeliveryLog


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where every authentic delivery goes, whichever door it came through. `parsers` names the sources there are."""

    log: DeliveryLog
    parsers: Mapping[str, Parser]
    receipt_key: bytes

    async def keep(self, accepted: Accepted) -> str:
        """Return the receipt once the delivery is durable. Raises UnavailableError when it cannot be kept now."""
        delivered = accept(accepted, self.parsers[accepted.source], self.receipt_key, os.urandom(10))
        await self.log.append(delivered.records)
        return delivered.receipt
