"""Dead letters, parked aggregates and keys, and retention on PostgreSQL."""

# ruff: noqa: S608 -- only constants of this package are put together here; values are parameters
from __future__ import annotations

from shared.store import retention
from shared.store.port import DeadMessage
from shared.store.postgres.database import Database
from shared.store.postgres.statements import NOW, SEND
from shared.store.transition import Rules

RETAIN_STEP = 1_000
"""Rows that one step removes from one table."""

_DEAD = """select agg,seq,id,type,body,reason,at from dead where $1::text is null or id=$1
  union all
  select i.agg,i.seq,i.id,i.type,i.body,'waits in a parked aggregate',i.at
  from key_head h join inbox i on i.agg=h.agg
  where h.parked and ($1::text is null or i.id=$1) and not exists
    (select 1 from dead d where d.agg=i.agg and d.seq=i.seq and d.id=i.id)
  order by 7,1,2"""
_EXHUME = "delete from dead where id=$1 and not parked returning agg,type,body,meta"
_WAITS_PARKED = """select agg from dead where id=$1 and parked union
  select h.agg from key_head h join inbox i on i.agg=h.agg where h.parked and i.id=$1"""
_UNPARK = f"""update key_head set parked=false, due={NOW} where agg=$1 and parked returning tail-done as waiting"""
_PARK_KEY = f"""insert into parked_key(topic,key,reason,at) values($1,$2,$3,{NOW})
  on conflict(topic,key) do update set reason=excluded.reason"""


def _expired(table: str, condition: str) -> str:
    # Another replica may be at it too, so rows are taken as they are free.
    return f"""with gone as (delete from {table} where ctid=any(array(select ctid from {table} where {condition}
      limit {RETAIN_STEP} for update skip locked)) returning 1) select count(*) gone from gone"""


_EXPIRED = (
    _expired("seen", f"at<{NOW}-{retention.SEEN_FOR}"),
    _expired("aggregate_row", f"expires<={NOW}"),
    _expired("reply", f"at<{NOW}-{retention.REPLY_FOR}"),
    _expired("dead", f"at<{NOW}-{retention.DEAD_FOR} and not parked"),
    _expired("change", f"n<=(select max(n) from change)-{retention.CHANGES_KEPT}"),
)


async def dead(database: Database, message_id: str | None) -> list[DeadMessage]:
    """Return dead messages and those that wait in parked aggregates."""
    return [DeadMessage(*row) for row in await database.fetch(_DEAD, message_id)]


async def requeue(database: Database, rules: Rules, message_id: str) -> tuple[bool, int]:
    """Put a dead message back at the end of its inbox and wake its aggregate, or wake the one it waits in.

    Return whether there was any, and how many messages wait more.
    """
    more = 0
    async with database.transaction() as connection:
        back = await connection.fetch(_EXHUME, message_id)
        waiting = await connection.fetch(_WAITS_PARKED, message_id)
        if back:
            lanes = [rules.kind_of(row["agg"]).lane for row in back]
            names, types = [row["agg"] for row in back], [row["type"] for row in back]
            bodies, metas = [row["body"] for row in back], [row["meta"] for row in back]
            sent = await connection.fetchrow(SEND, names, lanes, [message_id] * len(back), types, bodies, metas)
            more += sent["waiting"]
        for aggregate in sorted({row["agg"] for row in (*waiting, *back)}):
            woken = await connection.fetchrow(_UNPARK, aggregate)
            if woken:
                await connection.execute("delete from dead where agg=$1 and parked", aggregate)
                more += woken["waiting"]
    return bool(back or waiting), more


async def park_key(database: Database, topic: str, key: str, reason: str) -> None:
    """Hold back the outbox rows of one key."""
    await database.write(_PARK_KEY, topic, key, reason)


async def unpark_key(database: Database, topic: str, key: str) -> None:
    """Send the rows of the key again."""
    await database.write("delete from parked_key where topic=$1 and key=$2", topic, key)


async def retain(database: Database) -> int:
    """Remove one step of what nobody needs any more; return how many rows went."""
    return sum([(await database.row(sql))["gone"] for sql in _EXPIRED])
