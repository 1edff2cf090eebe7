"""Load, decide and write aggregates. Runs on the writer thread; the writer owns the savepoint around it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import orjson

from shared.events.envelope import HeaderText
from shared.runtime.clock import monotonic
from shared.store.intake import read_message
from shared.store.model import BATCH_MAX, DECIDE_BUDGET, Message
from shared.store.port import Outbound
from shared.store.records import runs
from shared.store.sqlite import care
from shared.store.sqlite.group import Group, enqueue, keep
from shared.store.sqlite.known import InboxRow, StateRow
from shared.store.transition import Effects, Loaded, batch_of, needs_of, run

BATCH_BYTES = 2 * 1024 * 1024
"""Of the bodies of one batch, unless the first alone has more: in memory they are a few times as large."""
NO_TIMERS = "{}"

CLAIM = "select agg,done from key_head where lane=? and due<=? order by due limit ?"
_INBOX = "select agg,seq,id,type,body,meta,at from inbox where agg=? order by seq limit ?"
_STATE = "select agg,state,version,out_seq,audit_seq,audit_head,timers from aggregate where agg=?"
_ROWS = """select key,value from aggregate_row where agg=?1 and key in (select value from json_each(?2))
  and (expires is null or expires>?3)"""
_SAVE = """insert into aggregate(agg,state,version,out_seq,audit_seq,audit_head,timers) values(?,?,?,?,?,?,?)
  on conflict(agg) do update set state=excluded.state, version=excluded.version, out_seq=excluded.out_seq,
  audit_seq=excluded.audit_seq, audit_head=excluded.audit_head, timers=excluded.timers"""
_DECIDED = "delete from inbox where agg=? and seq between ? and ?"
_MOVE = "update key_head set done=?2, due=case when tail>?2 then ?3 else ?4 end where agg=?1"
_PUT_ROW = """insert into aggregate_row(agg,key,value,expires) values(?,?,?,?)
  on conflict(agg,key) do update set value=excluded.value, expires=excluded.expires"""
_DROP_ROW = "delete from aggregate_row where agg=? and key=?"
_EVENT = "insert into outbox(n,agg,seq,topic,key,id,headers,body) values(?,?,?,?,?,?,?,?)"
_AUDIT = "insert into audit(agg,seq,at,entry,hash) values(?,?,?,?,?)"
_ACTIVITY = """insert into activity(id,agg,kind,name,args,lease,state,fence,due) values(?,?,?,?,?,?,0,0,?)
  on conflict do nothing"""
_REPLY = "insert into reply(id,body,at) values(?,?,?) on conflict do nothing"


def decide(group: Group, due: Sequence[tuple[str, int]], end: float) -> int:
    """Decide the waiting messages and due timers of aggregates, one after the other.

    After `end` (monotonic seconds) only what this group brought is decided, since to put it into an inbox costs more.
    What follows is written for all of them together. Return how many were decided, at least one.
    """
    all_effects = []
    decided = 0
    for aggregate, done in due:
        if decided and monotonic() > end and not group.pending.get(aggregate):
            continue
        decided += 1
        effects = _effects(group, aggregate, done)
        if effects:
            all_effects.append((done, effects))
    write(group, all_effects)
    return decided


def _effects(group: Group, aggregate: str, done: int) -> Effects | None:
    loaded = _load(group, aggregate, done)
    batch = batch_of(loaded, group.now)
    if not batch:
        group.connection.execute(_MOVE, (aggregate, done, group.now, _first_timer(loaded)))
        return None
    keys = needs_of(group.rules, loaded, batch)
    if keys:
        wanted = (aggregate, orjson.dumps(list(keys)).decode(), group.now)
        loaded.rows.update(group.connection.execute(_ROWS, wanted).fetchall())
    return _run(group, loaded, batch)


def _first_timer(loaded: Loaded) -> float | None:
    return min((due for due, _ in loaded.timers.values()), default=None)


def _load(group: Group, aggregate: str, done: int) -> Loaded:
    loaded = Loaded(aggregate, done, [])
    for _, seq, message_id, message_type, body, meta, _ in _waiting(group, aggregate, done):
        message, broken = read_message(seq, message_id, message_type, body, meta)
        loaded.messages.append(message)
        if broken:
            loaded.broken[message.seq, message.id] = broken
    row = group.known.state(aggregate) or group.connection.execute(_STATE, (aggregate,)).fetchone()
    if row:
        _, loaded.state, loaded.version, loaded.out_seq, loaded.audit_seq, loaded.audit_head, timers = row
        if timers != NO_TIMERS:
            loaded.timers = {name: (due, body) for name, (due, body) in orjson.loads(timers).items()}
    return loaded


def _waiting(group: Group, aggregate: str, done: int) -> Sequence[InboxRow]:
    """Return the messages of a batch: from memory, or from the inbox when the oldest lie only there."""
    rows = [*group.known.inbox(aggregate), *group.pending.get(aggregate, ())]
    if not rows or rows[0][1] != done + 1 or rows[-1][1] != done + len(rows):
        keep(group, aggregate)
        rows = group.connection.execute(_INBOX, (aggregate, BATCH_MAX)).fetchall()
    sizes = accumulate(len(row[4]) for row in rows[:BATCH_MAX])
    return rows[: max(1, sum(size <= BATCH_BYTES for size in sizes))]


def _run(group: Group, loaded: Loaded, batch: list[Message]) -> Effects:
    started = monotonic()
    effects = run(group.rules, loaded, batch, group.now)
    seconds = monotonic() - started
    if seconds > DECIDE_BUDGET:
        facts = {"aggregate": loaded.aggregate, "seconds": round(seconds, 3), "messages": len(batch)}
        group.alarms.append(("slow_decide", facts))
    return effects


def write(group: Group, decided: Sequence[tuple[int, Effects]]) -> None:
    """Write what batches of different aggregates cause; everything in their effects is encoded and checked already.

    Each has the number up to which its aggregate was done before.
    """
    many = group.connection.executemany
    every = [effects for _, effects in decided]
    for effects in every:
        if effects.dead or effects.parked:
            keep(group, effects.aggregate)
        for dead in effects.dead:
            care.bury(group, effects.aggregate, dead, parked=False)
    _write_lists(group, every)
    states: list[StateRow] = [
        (e.aggregate, e.state.decode(), e.version, e.out_seq, e.audit_seq, e.audit_head, e.timers_json.decode())
        for e in every
    ]
    many(_SAVE, states)
    group.known.saved(states)
    many(_DECIDED, [(e.aggregate, done + 1, e.done) for done, e in decided if _lay_in_inbox(group, done, e)])
    many(_MOVE, [(e.aggregate, e.done, group.now, e.next_timer) for e in every])
    group.waiting -= sum([effects.done - done for done, effects in decided])
    for effects in every:
        if effects.parked:
            care.park(group, effects.aggregate, effects.parked)
    enqueue(group, [message for effects in every for message in effects.messages])


def _lay_in_inbox(group: Group, done: int, effects: Effects) -> bool:
    """Forget the messages that are decided; say whether any of them lay in the inbox."""
    if effects.done == done:
        return False
    group.known.decided(effects.aggregate, effects.done)
    pending = group.pending.get(effects.aggregate)
    if not pending:
        return True
    first = pending[0][1]
    del pending[: max(0, effects.done + 1 - first)]
    return first > done + 1


def _write_lists(group: Group, every: Sequence[Effects]) -> None:
    now, many = group.now, group.connection.executemany
    rows = [(e.aggregate, key, v, expires) for e in every for key, (v, expires) in e.rows.items()]
    if rows:
        many(_PUT_ROW, [(aggregate, key, v.decode(), expires) for aggregate, key, v, expires in rows if v is not None])
        many(_DROP_ROW, [(aggregate, key) for aggregate, key, v, _ in rows if v is None])
    events = [(n, e.aggregate, *event) for e in every for event, n in zip(e.outbox, group.numbers, strict=False)]
    many(_EVENT, events)
    group.outbox += [
        Outbound(n, aggregate, topic, key, event_id, HeaderText(headers), body)
        for n, aggregate, _, topic, key, event_id, headers, body in events
    ]
    started: list[tuple[Any, ...]] = [
        (a.id, e.aggregate, a.kind, a.name, a.args.decode(), a.lease, max(now, a.not_before or now))
        for e in every
        for a in e.activities
    ]
    many(_ACTIVITY, started)
    group.activities = group.activities or bool(started)
    many(_AUDIT, [(e.aggregate, seq, now, entry, digest) for e in every for seq, entry, digest in e.audit])
    for sql, parameters in runs(record for e in every for record in e.records):
        many(sql, parameters)
    feeds = dict.fromkeys((e.aggregate, record.feed) for e in every for record in e.records if record.feed)
    many("insert into change(feed) values(?)", [(feed,) for _, feed in feeds])
    replies = {key: reply for e in every for key, reply in e.replies.items()}
    many(_REPLY, [(key, reply.decode(), now) for key, reply in replies.items()])
    group.replies |= replies
