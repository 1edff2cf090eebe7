"""Choose the bus of a process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from shared.bus.port import Bus, Received
from shared.bus.settings import KafkaSettings


def open_bus(settings: KafkaSettings, data: Path) -> Bus:
    """Return the Kafka bus when a cluster is configured, else the embedded one in the data directory."""
    if settings.bootstrap_servers:
        from shared.bus.kafka import KafkaBus  # noqa: PLC0415 -- `up` does not pay for Kafka

        return KafkaBus(settings)
    from shared.bus.embedded import EmbeddedBus  # noqa: PLC0415 -- nor a Kafka replica for the log

    return EmbeddedBus(data / "bus.db", high_water=settings.high_water)


class Tail(Protocol):
    """Yields records of a topic, for people to look at."""

    def __call__(self, topic: str, *, from_start: bool = False) -> AsyncIterator[Received]: ...


def open_tail(settings: KafkaSettings, data: Path) -> Tail:
    """Return what looks into the bus from outside: Kafka, or the file of the embedded bus beside its owner."""
    if settings.bootstrap_servers:
        return open_bus(settings, data).tail
    from shared.bus.embedded import tail_file  # noqa: PLC0415 -- as in `open_bus`

    return tail_file(data / "bus.db")
