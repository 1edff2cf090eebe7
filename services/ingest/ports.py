"""What ingest needs from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.port import WireRecord


@dataclass(frozen=True, slots=True)
class Account:
    """Messages since the start: `accepted` = `acked` by the bus + `spooled` to disk."""

    accepted: int
    acked: int
    spooled: int


class DeliveryLog(ABC):
    """Where deliveries become durable."""

    @abstractmethod
    async def append(self, records: Sequence[WireRecord]) -> None:
        """Keep the records of one delivery. Durable when it returns; raises UnavailableError when it is not."""

    @abstractmethod
    def account(self) -> Account:
        """Return the counts."""
