"""The commit: everything a batch of decisions writes, as one statement that checks every fence."""

# ruff: noqa: S608 -- only constants of this package are put together here; values are parameters
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.store.model import Lane
from shared.store.postgres.statements import HEADS, NOW
from shared.store.records import Upsert
from shared.store.transition import Dead, Effects

# Table part -> its columns as the driver sends them, one array each, and the statement that reads them.
_PARTS: dict[str, tuple[str, str]] = {
    "decided": (
        "agg text,low bigint,high bigint",
        "delete from inbox i using {rows} where i.agg=t.agg and i.seq between t.low and t.high",
    ),
    "states": (
        "agg text,state text,version bigint,out_seq bigint,audit_seq bigint,audit_head bytea,timers text,done bigint",
        """insert into aggregate(agg,state,version,out_seq,audit_seq,audit_head,timers,done) select * from {rows}
        on conflict(agg) do update set state=excluded.state, version=excluded.version, out_seq=excluded.out_seq,
        audit_seq=excluded.audit_seq, audit_head=excluded.audit_head, timers=excluded.timers, done=excluded.done""",
    ),
    "letters": (
        "agg text,place bigint,id text,type text,body bytea",
        f"""insert into inbox(agg,seq,id,type,body,meta,at)
        select t.agg,h.tail-hd.add+t.place,t.id,t.type,t.body,'',{NOW} from {{rows}}
        join h using (agg) join hd using (agg)""",
    ),
    "rows": (
        "agg text,key text,value text,expires float8",
        """insert into aggregate_row(agg,key,value,expires) select * from {rows}
        on conflict(agg,key) do update set value=excluded.value, expires=excluded.expires""",
    ),
    "dropped": (
        "agg text,key text",
        "delete from aggregate_row r using {rows} where r.agg=t.agg and r.key=t.key",
    ),
    "events": (
        "agg text,seq bigint,topic text,key text,id text,headers text,body bytea",
        "insert into outbox(agg,seq,topic,key,id,headers,body) select * from {rows} order by agg,seq",
    ),
    "activities": (
        "id text,agg text,kind text,name text,args text,lease float8,due float8",
        """insert into activity(id,agg,kind,name,args,lease,state,fence,due)
        select id,agg,kind,name,args,lease,0,0,due from {rows} order by id on conflict do nothing""",
    ),
    "audit": (
        "agg text,seq bigint,at float8,entry bytea,hash bytea",
        "insert into audit(agg,seq,at,entry,hash) select * from {rows}",
    ),
    "replies": (
        "id text,body text",
        f"insert into reply(id,body,at) select id,body,{NOW} from {{rows}} order by id on conflict do nothing",
    ),
    "dead": (
        "agg text,seq bigint,id text,type text,body bytea,reason text,parked bool",
        f"""insert into dead(agg,seq,id,type,body,meta,reason,at,parked)
        select t.agg,t.seq,t.id,t.type,coalesce(i.body,t.body),coalesce(i.meta,''),t.reason,{NOW},t.parked
        from {{rows}} left join inbox i on i.agg=t.agg and i.seq=t.seq
        on conflict(agg,seq,id) do update set reason=excluded.reason, at=excluded.at, parked=excluded.parked""",
    ),
}
DEAD_ID_MAX = 500
"""Characters of the id of a dead message: its index takes 2,700 bytes, and what it refuses could never be buried."""
_HEADS = "agg text,lane int,done bigint,add bigint,nx float8,fence bigint,park bool"


def _statement() -> str:
    taken = 0

    def unnest(columns: str) -> str:
        nonlocal taken
        pairs = [column.split() for column in columns.split(",")]
        arrays = ",".join(f"${taken + i}::{kind}[]" for i, (_, kind) in enumerate(pairs, start=1))
        taken += len(pairs)
        return f"unnest({arrays}) as t({','.join(name for name, _ in pairs)})"

    heads = f"hd as (select * from {unnest(_HEADS)}), h as ({HEADS})"
    parts = [f"p_{name} as ({sql.format(rows=unnest(columns))})" for name, (columns, sql) in _PARTS.items()]
    # A fence that is gone makes the division fail, and with it the statement: all or nothing. What stays in an inbox
    # that is parked now does not wait any more.
    return f"""with {", ".join([heads, *parts])}
      select 1/(case when (select count(*) from h)=(select count(*) from hd) then 1 else 0 end),
        (select coalesce(sum(case when hd.park then hd.add-(h.tail-h.done) when h.parked then 0 else hd.add end),0)
          from h join hd using (agg))::bigint waiting"""


COMMIT = _statement()


@dataclass(frozen=True, slots=True)
class Step:
    """One claimed aggregate at the end of its claim: decided, given back as it was, or parked because of `parked`."""

    aggregate: str
    fence: int
    done: int
    due: float | None
    """The next timer."""
    effects: Effects | None = None
    parked: Dead | None = None


@dataclass(slots=True)
class Writes:
    """The rows of one commit, by part, and what does not fit into the one statement."""

    parts: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {name: [] for name in _PARTS})
    heads: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    records: list[Upsert] = field(default_factory=list)

    def parameters(self) -> list[list[Any]]:
        """Return one array for each column of the statement."""
        rows = [(list(self.heads.values()), _HEADS), *((self.parts[name], _PARTS[name][0]) for name in _PARTS)]
        return [column for some, columns in rows for column in _columns(some, columns.count(",") + 1)]

    @property
    def feeds(self) -> list[str]:
        """The names for the change feed, each once."""
        return list(dict.fromkeys(record.feed for record in self.records if record.feed))


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def writes_of(steps: Iterable[Step], now: float, lane_of: Callable[[str], Lane]) -> Writes:
    """Return what ends the claims of `steps`."""
    writes = Writes()
    letters: dict[str, int] = {}
    owned = {step.aggregate: step for step in steps}
    for step in owned.values():
        if step.effects is not None:
            _add_effects(writes, step.done, step.effects, now, letters)
        if step.parked is not None:
            _bury(writes, step.aggregate, step.parked, parked=True)
    for aggregate, step in owned.items():
        done = step.effects.done if step.effects else step.done
        added, park = letters.pop(aggregate, 0), step.parked is not None
        writes.heads[aggregate] = (aggregate, lane_of(aggregate), done, added, step.due, step.fence, park)
    for aggregate, added in letters.items():
        writes.heads[aggregate] = (aggregate, lane_of(aggregate), 0, added, now, 0, False)
    return writes


def _add_effects(writes: Writes, done: int, effects: Effects, now: float, letters: dict[str, int]) -> None:
    aggregate, parts = effects.aggregate, writes.parts
    if effects.done > done:
        parts["decided"].append((aggregate, done + 1, effects.done))
    parts["states"].append(
        (
            aggregate,
            effects.state.decode(),
            effects.version,
            effects.out_seq,
            effects.audit_seq,
            effects.audit_head,
            effects.timers_json.decode(),
            effects.done,
        )
    )
    for m in effects.messages:
        letters[m.aggregate] = letters.get(m.aggregate, 0) + 1
        parts["letters"].append((m.aggregate, letters[m.aggregate], m.id, m.type, m.body))
    for key, (value, expires) in effects.rows.items():
        if value is None:
            parts["dropped"].append((aggregate, key))
        else:
            parts["rows"].append((aggregate, key, value.decode(), expires))
    parts["events"] += [(aggregate, *event) for event in effects.outbox]
    parts["activities"] += [
        (a.id, aggregate, a.kind, a.name, a.args.decode(), a.lease, max(now, a.not_before or now))
        for a in effects.activities
    ]
    parts["audit"] += [(aggregate, seq, now, entry, digest) for seq, entry, digest in effects.audit]
    parts["replies"] += [(key, reply.decode()) for key, reply in effects.replies.items()]
    writes.records += effects.records
    for dead in effects.dead:
        _bury(writes, aggregate, dead, parked=False)


def _bury(writes: Writes, aggregate: str, dead: Dead, *, parked: bool) -> None:
    """Keep a dead message as it came: the statement takes the body from the inbox where it still lies."""
    m = dead.message
    body = b"" if m.seq else orjson.dumps(m.body)
    writes.parts["dead"].append((aggregate, m.seq, m.id[:DEAD_ID_MAX], m.type, body, dead.reason, parked))
