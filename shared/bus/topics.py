"""Every topic there is: name, partitions, retention, who writes and who reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.port import Rejected, WireRecord
from shared.events.envelope import EVENT_MAX
from shared.events.payload import ALERTS, DEAD_LETTERS, DECISIONS, INCIDENTS, REQUESTS

PARTITIONS = 12
"""Fixed for ever: another number would send the later events of a key to another partition, past the earlier ones."""
RETENTION_SECONDS = 30 * 86400


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. Keyed topics keep the order of a key."""

    name: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int = PARTITIONS
    retention_seconds: int = RETENTION_SECONDS


TOPICS: tuple[Topic, ...] = (
    Topic(ALERTS, ("ingest",), ("diagnoser",)),
    Topic(INCIDENTS, ("diagnoser", "executor"), ("diagnoser", "executor", "notifier")),
    Topic(DECISIONS, ("notifier",), ("executor",)),
    Topic(REQUESTS, ("notifier",), ("diagnoser",)),
    Topic(DEAD_LETTERS, ("ingest", "diagnoser", "executor", "notifier"), ()),
)
NAMES = frozenset(topic.name for topic in TOPICS)

UNHURRIED = 0.05
"""Seconds: the pace of who must read all that is said of incidents, and acts on little of it."""
BEHIND = "behind a rejected record of its key"


def group(service: str, topic: str) -> str:
    """Return the name of a service's subscription; frozen, because another name would read everything again."""
    return f"signoff.{service}.{topic}"


def sift(records: Sequence[WireRecord]) -> tuple[list[int], list[Rejected]]:
    """Return which records a bus may take, and which never.

    A rejected record takes the later ones of its key with it, so that none of them can overtake it.
    """
    taken: list[int] = []
    rejected: list[Rejected] = []
    stopped: set[tuple[str, str]] = set()
    for index, record in enumerate(records):
        place = (record.topic, record.key)
        reason = BEHIND if place in stopped else _problem(record)
        if reason:
            stopped.add(place)
            rejected.append(Rejected(index, reason))
        else:
            taken.append(index)
    return taken, rejected


def _problem(record: WireRecord) -> str:
    if record.topic not in NAMES:
        return f"unknown topic {record.topic!r}"
    if len(record.body) > EVENT_MAX:
        return f"{len(record.body)} bytes, more than {EVENT_MAX}"
    return ""
