"""One group commit in the making, and how messages get their numbers in it. Runs on the writer thread only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Any, NamedTuple

from shared.store.intake import Accepted
from shared.store.model import Lane
from shared.store.transition import Rules

_SEEN = "insert into seen(key,at) values(?,?) on conflict do nothing"
_HEAD = """insert into key_head(agg,lane,done,tail,due) values(?,?,0,?,?) on conflict(agg) do update set
  lane=excluded.lane, tail=tail+excluded.tail,
  due=case when parked then null else min(coalesce(due,excluded.due),excluded.due) end returning tail, parked"""
_INBOX = "insert into inbox(agg,seq,id,type,body,meta,at) values(?,?,?,?,?,?,?)"
_POSITION = """insert into subscription(name,position) values(?,?)
  on conflict(name) do update set position=excluded.position"""


@dataclass(slots=True)
class Group:
    """What one group does, and what must be told once it is durable.

    `waiting` is the change of the number of messages that wait; those of parked aggregates do not count.
    """

    connection: Connection
    rules: Rules
    now: float
    waiting: int = 0
    outbox: bool = False
    activities: bool = False
    replies: dict[str, bytes] = field(default_factory=dict)
    alarms: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def lane_of(self, aggregate: str) -> Lane:
        """Return the lane of an aggregate's kind."""
        return self.rules.kind_of(aggregate).lane


class Letter(NamedTuple):
    """One message on its way into an inbox."""

    aggregate: str
    id: str
    type: str
    body: bytes
    meta: str = ""


def enqueue(group: Group, letters: Sequence[Letter]) -> None:
    """Number messages and put them into their inboxes: heads first, because they give the numbers."""
    by_aggregate: dict[str, list[Letter]] = {}
    for letter in letters:
        by_aggregate.setdefault(letter.aggregate, []).append(letter)
    rows: list[tuple[Any, ...]] = []
    for aggregate, own in by_aggregate.items():
        head = (aggregate, group.lane_of(aggregate), len(own), group.now)
        tail, parked = group.connection.execute(_HEAD, head).fetchone()
        first = tail - len(own) + 1
        rows += [(aggregate, first + i, m.id, m.type, m.body, m.meta, group.now) for i, m in enumerate(own)]
        group.waiting += 0 if parked else len(own)
    group.connection.executemany(_INBOX, rows)


def take(group: Group, messages: Sequence[Accepted], subscription: str, offset: int) -> int:
    """Put new messages into their inboxes and keep the subscription's place; return how many were new."""
    execute = group.connection.execute
    new = [m for m in messages if execute(_SEEN, (m.key, group.now)).rowcount]
    enqueue(group, [Letter(m.aggregate, m.id, m.type, m.body, m.meta) for m in new])
    if subscription:
        execute(_POSITION, (subscription, offset))
    return len(new)
