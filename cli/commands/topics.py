"""`signoff topics ...`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cli.client import DATA
from cli.commands.incidents import Output
from cli.errors import Exit, HintedError
from cli.output import show as show_rows
from cli.output import write, write_line
from shared.bus.settings import KafkaSettings
from shared.bus.topics import TOPICS
from shared.runtime.configuration import read_configuration
from shared.runtime.environment import environment_variables


def _kafka() -> KafkaSettings:
    configuration = read_configuration(environment_variables(), folder=Path.cwd())
    settings = configuration.section("kafka", KafkaSettings)
    if not settings.bootstrap_servers:
        raise HintedError(
            "no Kafka is configured: the embedded bus needs no topics",
            Exit.USAGE,
            ("name a cluster", "SIGNOFF_KAFKA__BOOTSTRAP_SERVERS=host:9092"),
        )
    return settings


def apply(*, access: bool = False) -> None:
    """Create missing topics; refuse to change the partitions of one that exists.

    Parameters
    ----------
    access
        Print the access rules that give each service what it needs and nothing more.
    """
    from shared.bus.kafka_topics import access_rules, apply_topics

    settings = _kafka()
    for line in access_rules(settings) if access else asyncio.run(apply_topics(settings)):
        write(line)


def list_(*, output: Output = "table") -> None:
    """List topics with their writers and readers."""
    rows = [
        {
            "topic": t.name,
            "partitions": t.partitions,
            "retention_days": t.retention_seconds // 86400,
            "writers": t.writers,
            "readers": t.readers,
        }
        for t in TOPICS
    ]
    show_rows(rows, ("topic", "partitions", "retention_days", "writers", "readers"), output)


def tail(topic: str, *, from_start: bool = False, data: Path = DATA) -> None:
    """Print the events of a topic of the configured Kafka, one JSON object a line."""
    del data

    async def run() -> None:
        from shared.bus.kafka import KafkaBus

        async for record in KafkaBus(_kafka()).tail(topic, from_start=from_start):
            write_line(
                {"key": record.key, "headers": dict(record.headers), "body": record.body.decode("utf-8", "replace")}
            )

    asyncio.run(run())
