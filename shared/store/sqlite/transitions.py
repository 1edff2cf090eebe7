"""Load, decide and write one aggregate. Runs on the writer thread; the writer owns the savepoint around it."""

from __future__ import annotations

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
from shared.store.transition import Effects, Loaded, batch_of, needs_of, run

CLAIM = "select agg,done from key_head where lane=? and due<=? order by due limit ?"
_INBOX = "select agg,seq,id,type,body,meta,at from inbox where agg=? order by seq limit ?"
_STATE = "select state,version,out_seq,audit_seq,audit_head,timers from aggregate where agg=?"
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


def step(group: Group, aggregate: str, done: int) -> None:
    """Decide the waiting messages and due timers of one aggregate and write all that follows."""
    loaded = _load(group, aggregate, done)
    batch = batch_of(loaded, group.now)
    if not batch:
        group.connection.execute(_MOVE, (aggregate, done, group.now, _first_timer(loaded)))
        return
    keys = needs_of(group.rules, loaded, batch)
    if keys:
        wanted = (aggregate, orjson.dumps(list(keys)).decode(), group.now)
        loaded.rows.update(group.connection.execute(_ROWS, wanted).fetchall())
    effects = _decide(group, loaded, batch)
    write(group, loaded.done, effects)


def _first_timer(loaded: Loaded) -> float | None:
    return min((due for due, _ in loaded.timers.values()), default=None)


def _load(group: Group, aggregate: str, done: int) -> Loaded:
    loaded = Loaded(aggregate, done, [])
    connection, pending = group.connection, group.pending.get(aggregate)
    if pending and pending[0][1] > done + 1:  # Older ones lie in the inbox.
        keep(group, aggregate)
        pending = None
    waiting = pending[:BATCH_MAX] if pending else connection.execute(_INBOX, (aggregate, BATCH_MAX)).fetchall()
    for _, seq, message_id, message_type, body, meta, _ in waiting:
        message, broken = read_message(seq, message_id, message_type, body, meta)
        loaded.messages.append(message)
        if broken:
            loaded.broken[message.seq, message.id] = broken
    row = connection.execute(_STATE, (aggregate,)).fetchone()
    if row:
        loaded.state, loaded.version, loaded.out_seq, loaded.audit_seq, loaded.audit_head, timers = row
        loaded.timers = {name: (due, body) for name, (due, body) in orjson.loads(timers).items()}
    return loaded


def _decide(group: Group, loaded: Loaded, batch: list[Message]) -> Effects:
    started = monotonic()
    effects = run(group.rules, loaded, batch, group.now)
    seconds = monotonic() - started
    if seconds > DECIDE_BUDGET:
        facts = {"aggregate": loaded.aggregate, "seconds": round(seconds, 3), "messages": len(batch)}
        group.alarms.append(("slow_decide", facts))
    return effects


def write(group: Group, done: int, effects: Effects) -> None:
    """Write what one batch causes; everything in `effects` is encoded and checked already."""
    aggregate, execute = effects.aggregate, group.connection.execute
    if effects.dead or effects.parked:
        keep(group, aggregate)
    for dead in effects.dead:
        care.bury(group, aggregate, dead, parked=False)
    _write_lists(group, effects)
    execute(
        _SAVE,
        (
            aggregate,
            effects.state.decode(),
            effects.version,
            effects.out_seq,
            effects.audit_seq,
            effects.audit_head,
            effects.timers_json.decode(),
        ),
    )
    pending = group.pending.get(aggregate)
    if pending and pending[0][1] == done + 1:
        del pending[: effects.done - done]
    elif effects.done > done:
        execute(_DECIDED, (aggregate, done + 1, effects.done))
    execute(_MOVE, (aggregate, effects.done, group.now, effects.next_timer))
    group.waiting -= effects.done - done
    if effects.parked:
        care.park(group, aggregate, effects.parked)
    group.activities = group.activities or bool(effects.activities)
    group.replies |= effects.replies


def _write_lists(group: Group, effects: Effects) -> None:
    aggregate, now, many = effects.aggregate, group.now, group.connection.executemany
    if effects.rows:
        put = [(aggregate, key, v.decode(), expires) for key, (v, expires) in effects.rows.items() if v is not None]
        many(_PUT_ROW, put)
        many(_DROP_ROW, [(aggregate, key) for key, (value, _) in effects.rows.items() if value is None])
    if effects.outbox:
        events = [(n, aggregate, *event) for event, n in zip(effects.outbox, group.numbers, strict=False)]
        many(_EVENT, events)
        group.outbox += [
            Outbound(n, aggregate, topic, key, event_id, HeaderText(headers), body)
            for n, _, _, topic, key, event_id, headers, body in events
        ]
    if effects.messages:
        enqueue(group, effects.messages)
    if effects.activities:
        started: list[tuple[Any, ...]] = [
            (a.id, aggregate, a.kind, a.name, a.args.decode(), a.lease, max(now, a.not_before or now))
            for a in effects.activities
        ]
        many(_ACTIVITY, started)
    if effects.audit:
        many(_AUDIT, [(aggregate, seq, now, entry, digest) for seq, entry, digest in effects.audit])
    if effects.records:
        for sql, parameters in runs(effects.records):
            many(sql, parameters)
        feeds = dict.fromkeys(record.feed for record in effects.records if record.feed)
        many("insert into change(feed) values(?)", [(feed,) for feed in feeds])
    if effects.replies:
        many(_REPLY, [(key, reply.decode(), now) for key, reply in effects.replies.items()])
