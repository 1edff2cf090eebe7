"""`signoff topics ...`: local programs; they read settings and bus, not the server."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from cyclopts import Parameter

from cli.client import DATA, Data
from cli.commands.incidents import Output
from cli.errors import Exit, HintedError
from cli.output import show as show_rows
from cli.output import write, write_line
from cli.starting import read
from shared.bus.settings import KafkaSettings
from shared.bus.topics import TOPICS

Flag = Annotated[bool, Parameter(negative=())]
Topic = Literal["alerts.v1", "incidents.v1", "decisions.v1", "requests.v1", "dead-letters.v1"]


def _kafka() -> KafkaSettings:
    return read().section("kafka", KafkaSettings)


def apply(*, access: Flag = False, data: Data = DATA) -> None:
    """Create missing topics on Kafka; refuse to change the partitions of one that exists.

    Parameters
    ----------
    access
        Print the access rules that give each service what it needs and nothing more.
    """
    del data  # Taken like everywhere; Kafka has its own.
    settings = _kafka()
    if not settings.bootstrap_servers:
        raise HintedError(
            "no Kafka is configured, and the embedded bus needs no topics",
            Exit.USAGE,
            ("name a cluster", "SIGNOFF_KAFKA__BOOTSTRAP_SERVERS=host:9092"),
        )
    from shared.bus.kafka_topics import access_rules, apply_topics

    for line in access_rules(settings) if access else asyncio.run(apply_topics(settings)):
        write(line)


def list_(*, data: Data = DATA, output: Output = "table") -> None:
    """List topics with their writers and readers."""
    del data  # As in `apply`.
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


def tail(topic: Topic, *, from_start: Flag = False, data: Data = DATA) -> None:
    """Print the events of a topic as they come, one JSON object a line, until Ctrl-C.

    Reads the configured Kafka, else the embedded bus in the data directory, whether a server runs or not.
    """

    async def run() -> None:
        async for record in open_tail(_kafka(), data)(topic, from_start=from_start):
            body = record.body.decode("utf-8", "replace")
            write_line({"key": record.key, "headers": dict(record.headers), "body": body})

    from shared.bus.factory import open_tail

    asyncio.run(run())
