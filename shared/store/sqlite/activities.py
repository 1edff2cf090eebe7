"""Activities on SQLite: leases, fences and results. Runs on the writer thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Literal

import orjson

from shared.store.model import ACTIVITY_DONE, ACTIVITY_LATE, ACTIVITY_LOST, JSON
from shared.store.port import Claimed
from shared.store.sqlite.group import Group, enqueue
from shared.store.transition import LocalRow

_CLAIM = """update activity set state=1, fence=fence+1, due=?1+lease where id in (select id from activity
  where due<=?1 and (state=0 or kind='repeatable') and name in (select value from json_each(?2)) order by due limit ?3)
  returning id,agg,kind,name,args,fence,lease"""
_NEXT = "select min(due) from activity where due>?"
_ONCE_WAITS = """select 1 from activity where due<=? and state=0 and kind='once'
  and name in (select value from json_each(?)) limit 1"""
_LOST = "update activity set state=2, due=null where due<=? and kind='once' and state=1 returning id,agg,name"
_RENEW = "update activity set due=?1+lease where id=?2 and fence=?3 and state=1 and due>?1"
_RELEASE = "update activity set state=0, due=? where id=? and fence=? and state=1 and kind='repeatable'"
_FREE = "update activity set state=0, due=0 where state=1 and kind='repeatable'"
_FINISH = "delete from activity where id=? and fence=? and state in (1,2) returning state"


def free(connection: sqlite3.Connection) -> None:
    """Give back the repeatable work of an owner that was killed: the data have one owner, so nobody else works on it.

    `once` work keeps its lease: its call may still be under way outside.
    """
    connection.execute(_FREE)


def claim_repeatable(group: Group, limit: int, names: Collection[str]) -> tuple[list[Claimed] | None, float | None]:
    """Claim as `claim` does, if all is repeatable; None when `once` work waits, whose claim must reach the disk."""
    once = group.connection.execute(_ONCE_WAITS, (group.now, orjson.dumps(list(names)).decode())).fetchone()
    return (None, None) if once else claim(group, limit, names)


def claim(group: Group, limit: int, names: Collection[str]) -> tuple[list[Claimed], float | None]:
    """Claim due activities under their lease, and say when the next of any name is due."""
    asked = (group.now, orjson.dumps(list(names)).decode(), limit)
    rows = group.connection.execute(_CLAIM, asked).fetchall()
    found = [
        Claimed(activity, aggregate, kind, name, orjson.loads(args), fence, lease)
        for activity, aggregate, kind, name, args, fence, lease in rows
    ]
    return found, group.connection.execute(_NEXT, (group.now,)).fetchone()[0]


def lose(group: Group) -> int:
    """Tell the aggregates of `once` work whose lease ended without a result; return how many."""
    lost = group.connection.execute(_LOST, (group.now,)).fetchall()
    if lost:
        enqueue(group, [_letter(aggregate, ACTIVITY_LOST, activity, name, None) for activity, aggregate, name in lost])
    return len(lost)


def renew(group: Group, claimed: Claimed) -> bool:
    """Extend a lease that has not ended."""
    return group.connection.execute(_RENEW, (group.now, claimed.id, claimed.fence)).rowcount == 1


def release(group: Group, claimed: Claimed, delay: float) -> bool:
    """Give repeatable work back."""
    row = (group.now + delay, claimed.id, claimed.fence)
    group.activities = True
    return group.connection.execute(_RELEASE, row).rowcount == 1


def finish(group: Group, claimed: Claimed, result: bytes) -> Literal["done", "late", "stale"]:
    """Deliver a result; a `once` result after its lease is `late`, any result after a newer claim is `stale`."""
    row = group.connection.execute(_FINISH, (claimed.id, claimed.fence)).fetchone()
    if row is None:
        return "stale"
    message_type = ACTIVITY_DONE if row[0] == 1 else ACTIVITY_LATE
    enqueue(group, [_letter(claimed.aggregate, message_type, claimed.id, claimed.name, orjson.loads(result))])
    return "done" if row[0] == 1 else "late"


def _letter(aggregate: str, message_type: str, activity: str, name: str, result: JSON) -> LocalRow:
    body = orjson.dumps({"id": activity, "name": name, "result": result})
    return LocalRow(aggregate, f"{activity}!{message_type.rpartition('.')[2]}", message_type, body)
