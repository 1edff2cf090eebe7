"""What ingest needs from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.port import WireRecord
from shared.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Kept:
    """Messages since the start: `acked` by the bus, `spooled` to disk. `in_spool` wait there now."""

    acked: int = 0
    spooled: int = 0
    in_spool: int = 0


class DeliveryLog(ABC):
    """Where deliveries become durable."""

    @abstractmethod
    async def append(self, deliveries: Sequence[Sequence[WireRecord]]) -> Sequence[UnavailableError | None]:
        """Keep the records of each delivery; say of each why it is not kept, None when it is durable."""

    @abstractmethod
    def kept(self) -> Kept:
        """Return the counts."""
