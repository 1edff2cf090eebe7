"""Choose the bus of a process."""

from __future__ import annotations

from pathlib import Path

from shared.bus.port import Bus
from shared.bus.settings import KafkaSettings


def open_bus(settings: KafkaSettings, data: Path) -> Bus:
    """Return the Kafka bus when a cluster is configured, else the embedded one in the data directory."""
    if settings.bootstrap_servers:
        from shared.bus.kafka import KafkaBus  # noqa: PLC0415 -- `up` does not pay for Kafka

        return KafkaBus(settings)
    from shared.bus.embedded import EmbeddedBus  # noqa: PLC0415 -- nor a Kafka replica for the log

    return EmbeddedBus(data / "bus.db", high_water=settings.high_water)
