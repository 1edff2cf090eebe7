"""What ingest needs from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.port import WireRecord


@dataclass(frozen=True, slots=True)
class Kept:
    """Messages since the start: `acked` by the bus, `spooled` to disk. `in_spool` wait there now."""

    acked: int = 0
    spooled: int = 0
    in_spool: int = 0


class DeliveryLog(ABC):
    """Where deliveries become durable."""

    @abstractmethod
    async def append(self, records: Sequence[WireRecord]) -> None:
        """Keep the records of one delivery. Durable when it returns; raises UnavailableError when it is not."""

    @abstractmethod
    def kept(self) -> Kept:
        """Return the counts."""
