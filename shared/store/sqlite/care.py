"""Dead letters, parked aggregates and retention on SQLite. Runs on the writer thread."""

from __future__ import annotations

import orjson

from shared.store import retention
from shared.store.model import Message
from shared.store.sqlite.group import Group, enqueue
from shared.store.transition import Dead, LocalRow

RETAIN_STEP = 200
"""Rows that one step removes; more would hold up the writer."""

_DEAD = """insert into dead(agg,seq,id,type,body,meta,reason,at,parked) {}
  on conflict do update set reason=excluded.reason, at=excluded.at, parked=excluded.parked"""
_FROM_INBOX = _DEAD.format("select agg,seq,id,type,body,meta,?3,?4,?5 from inbox where agg=?1 and seq=?2")
_FROM_TIMER = _DEAD.format("values(?,?,?,?,?,'',?,?,?)")
_PARK = "update key_head set parked=1, due=null where agg=? returning tail-done"
_UNPARK = "update key_head set parked=0, due=? where agg=? and parked returning tail-done"
_WAITS_PARKED = """select agg from dead where id=?1 and parked union
  select h.agg from key_head h join inbox i on i.agg=h.agg where h.parked and i.id=?1"""
_EXPIRED = (
    ("delete from seen where n in (select n from seen order by n limit ?2) and at<?1", retention.SEEN_FOR),
    (
        """delete from aggregate_row where (agg,key) in
        (select agg,key from aggregate_row where expires<=?1 order by expires limit ?2)""",
        0.0,
    ),
    ("delete from reply where id in (select id from reply where at<?1 order by at limit ?2)", retention.REPLY_FOR),
    (
        "delete from dead where rowid in (select rowid from dead where at<?1 and not parked limit ?2)",
        retention.DEAD_FOR,
    ),
)
_OLD_CHANGES = """delete from change where n in
  (select n from change where n<=(select max(n) from change)-? order by n limit ?)"""


def bury(group: Group, aggregate: str, dead: Dead, *, parked: bool) -> None:
    """Keep a dead message, its body as it came, where `dead-letters` finds it. Before its inbox row goes."""
    message = dead.message
    if message.seq:
        row = (aggregate, message.seq, dead.reason, group.now, parked)
        group.connection.execute(_FROM_INBOX, row)
    else:
        body = orjson.dumps(message.body)
        timer = (aggregate, 0, message.id, message.type, body, dead.reason, group.now, parked)
        group.connection.execute(_FROM_TIMER, timer)
    reason = "aggregate_parked" if parked else "message_dead"
    group.alarms.append((reason, {"aggregate": aggregate, "message": message.id, "reason": dead.reason}))


def park(group: Group, aggregate: str, dead: Dead) -> None:
    """Let nothing wake an aggregate but `requeue`: even burying one of its messages failed."""
    bury(group, aggregate, dead, parked=True)
    group.waiting -= group.connection.execute(_PARK, (aggregate,)).fetchone()[0]


def park_unwritable(group: Group, aggregate: str, reason: str) -> None:
    """Park an aggregate whose decision the database refuses, such as a record that breaks a constraint of its table."""
    row = group.connection.execute(
        "select seq,id,type from inbox where agg=? order by seq limit 1", (aggregate,)
    ).fetchone()
    seq, message_id, message_type = row or (0, f"{aggregate}!timers", "timer")
    park(group, aggregate, Dead(Message(seq, message_id, message_type, None), reason))


def requeue(group: Group, message_id: str) -> bool:
    """Put a dead message back at the end of its inbox and wake its aggregate, or wake the one it waits in."""
    execute = group.connection.execute
    dead = execute("delete from dead where id=? and not parked returning agg,type,body,meta", (message_id,)).fetchall()
    enqueue(group, [LocalRow(agg, message_id, kind, body, meta) for agg, kind, body, meta in dead])
    waiting = execute(_WAITS_PARKED, (message_id,)).fetchall()
    for (aggregate,) in {*waiting, *((row[0],) for row in dead)}:
        _unpark(group, aggregate)
    return bool(dead or waiting)


def _unpark(group: Group, aggregate: str) -> None:
    woken = group.connection.execute(_UNPARK, (group.now, aggregate)).fetchone()
    if woken:
        group.connection.execute("delete from dead where agg=? and parked", (aggregate,))
        group.waiting += woken[0]


def park_key(group: Group, topic: str, key: str, reason: str) -> None:
    """Hold back the outbox rows of one key."""
    sql = "insert into parked_key(topic,key,reason,at) values(?,?,?,?) on conflict do update set reason=excluded.reason"
    group.connection.execute(sql, (topic, key, reason, group.now))
    group.alarms.append(("key_parked", {"topic": topic, "key": key, "reason": reason}))


def unpark_key(group: Group, topic: str, key: str) -> None:
    """Send the rows of the key again."""
    group.connection.execute("delete from parked_key where topic=? and key=?", (topic, key))


def retain(group: Group) -> int:
    """Remove one step of what nobody needs any more; return how many rows went."""
    execute = group.connection.execute
    gone = sum(execute(sql, (group.now - age, RETAIN_STEP)).rowcount for sql, age in _EXPIRED)
    return gone + execute(_OLD_CHANGES, (retention.CHANGES_KEPT, RETAIN_STEP)).rowcount
