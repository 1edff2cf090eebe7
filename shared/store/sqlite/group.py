"""One group commit in the making, and how messages get their numbers in it. Runs on the writer thread only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Any

import orjson

from shared.store.intake import Accepted
from shared.store.model import Lane
from shared.store.port import Outbound
from shared.store.sqlite.known import InboxRow, Known
from shared.store.transition import LocalRow, Rules

_SEEN = "insert into seen(key,at) values(?,?) on conflict do nothing"
_LAST_SEEN = "select coalesce(max(n),0) from seen"
_NEW = "select key from seen where n>?"
_HEADS = """insert into key_head(agg,lane,done,tail,due)
  select json_extract(value,'$[0]'),json_extract(value,'$[1]'),0,json_extract(value,'$[2]'),?2 from json_each(?1)
  where true on conflict(agg) do update set lane=excluded.lane, tail=tail+excluded.tail,
  due=case when parked then null else min(coalesce(due,excluded.due),excluded.due) end returning agg, tail, parked"""
_INBOX = "insert into inbox(agg,seq,id,type,body,meta,at) values(?,?,?,?,?,?,?)"
_POSITION = """insert into subscription(name,position) values(?,?)
  on conflict(name) do update set position=excluded.position"""


@dataclass(slots=True)
class Group:
    """What one group does, and what must be told once it is durable.

    `waiting` is the change of the number of messages that wait; those of parked aggregates do not count. `pending` are
    numbered messages of this group that no table holds yet: what is decided in the group that brought it never lies in
    an inbox. A `careful` group keeps none, so that a savepoint can undo all that it did.
    """

    connection: Connection
    rules: Rules
    now: float
    numbers: Iterator[int]
    """Of the outbox."""
    known: Known = field(default_factory=Known)
    careful: bool = False
    pending: dict[str, list[InboxRow]] = field(default_factory=dict)
    waiting: int = 0
    outbox: list[Outbound] = field(default_factory=list)
    activities: bool = False
    replies: dict[str, bytes] = field(default_factory=dict)
    alarms: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def lane_of(self, aggregate: str) -> Lane:
        """Return the lane of an aggregate's kind."""
        return self.rules.kind_of(aggregate).lane


def enqueue(group: Group, letters: Sequence[LocalRow | Accepted]) -> None:
    """Number messages and put them into their inboxes: heads first, because they give the numbers."""
    if not letters:
        return
    by_aggregate: dict[str, list[LocalRow | Accepted]] = {}
    for letter in letters:
        by_aggregate.setdefault(letter.aggregate, []).append(letter)
    now = group.now
    heads = [(aggregate, group.lane_of(aggregate), len(own)) for aggregate, own in by_aggregate.items()]
    numbered = group.connection.execute(_HEADS, (orjson.dumps(heads).decode(), now)).fetchall()
    for aggregate, tail, parked in numbered:
        own = by_aggregate[aggregate]
        rows = [(aggregate, seq, m.id, m.type, m.body, m.meta, now) for seq, m in enumerate(own, tail - len(own) + 1)]
        if parked or group.careful:
            group.connection.executemany(_INBOX, rows)
        else:
            group.pending.setdefault(aggregate, []).extend(rows)
        group.waiting += 0 if parked else len(own)


def keep(group: Group, *aggregates: str) -> None:
    """Put what is pending for these aggregates into their inboxes."""
    rows = [row for aggregate in aggregates for row in group.pending.pop(aggregate, ())]
    group.connection.executemany(_INBOX, rows)
    group.known.kept(rows)


def take(group: Group, messages: Sequence[Accepted], subscription: str, offset: int) -> int:
    """Put new messages into their inboxes and keep the subscription's place; return how many were new."""
    new = _unseen(group, messages)
    enqueue(group, new)
    if subscription:
        group.connection.execute(_POSITION, (subscription, offset))
    return len(new)


def _unseen(group: Group, messages: Sequence[Accepted]) -> Sequence[Accepted]:
    """Note messages as seen; return those that are new, which most often all are."""
    last = group.connection.execute(_LAST_SEEN).fetchone()[0]
    if group.connection.executemany(_SEEN, [(m.key, group.now) for m in messages]).rowcount == len(messages):
        return messages
    new = {key for (key,) in group.connection.execute(_NEW, (last,))}
    return [m for m in messages if m.key in new]
