"""Activities on PostgreSQL: leases, fences and results."""

# ruff: noqa: S608 -- only constants of this package are put together here; values are parameters
from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import orjson

from shared.store.model import ACTIVITY_DONE, ACTIVITY_LATE, ACTIVITY_LOST, JSON
from shared.store.port import Claimed
from shared.store.postgres.database import Database
from shared.store.postgres.statements import NOW, SEND_FROM
from shared.store.transition import Rules

LOST_MAX = 100

_CLAIM = f"""with c as materialized (select id from activity where due<={NOW} and (state=0 or kind='repeatable')
    and name=any($1::text[]) order by due limit $2 for update skip locked)
  update activity a set state=1, fence=a.fence+1, due={NOW}+a.lease from c where a.id=c.id
  returning a.id,a.agg,a.kind,a.name,a.args,a.fence,a.lease"""
_LOST = f"""with c as materialized (select id from activity where due<={NOW} and kind='once' and state=1
    order by due limit {LOST_MAX} for update skip locked),
  z as (update activity a set state=2, due=null from c where a.id=c.id returning a.id,a.agg,a.name),
  f as (select z.agg, coalesce(k.lane,0) lane, z.id||'!lost' id, '{ACTIVITY_LOST}'::text as type,
      convert_to(json_build_object('id',z.id,'name',z.name,'result',null)::text,'UTF8') body, ''::text meta,
      row_number() over (order by z.id) ord
    from z left join unnest($1::text[],$2::int[]) as k(kind,lane) on k.kind=split_part(z.agg,'/',1)),
  {SEND_FROM}"""
_RENEW = f"""update activity set due={NOW}+lease where id=$1 and fence=$2 and state=1 and due>{NOW} returning 1"""
_RELEASE = f"""update activity set state=0, due={NOW}+$3 where id=$1 and fence=$2 and state=1 and kind='repeatable'
  returning 1"""
# A lease that has ended is lost before its result is late, also when nobody has looked for lost work since.
_FINISH = f"""with z as (delete from activity where id=$1 and fence=$2 and state in (1,2)
    returning id, agg, state=1 untold, state=2 or (kind='once' and due<={NOW}) late),
  f as (select agg, $3::int lane, id||'!lost' id, '{ACTIVITY_LOST}'::text as type, $5::bytea body, ''::text meta, 0 ord
      from z where untold and late
    union all select agg, $3::int, id||case when late then '!late' else '!done' end,
      case when late then '{ACTIVITY_LATE}' else '{ACTIVITY_DONE}' end, $4::bytea, '', 1 from z),
  {SEND_FROM}, (select late from z) late"""


async def claim(database: Database, limit: int, names: Collection[str]) -> list[Claimed]:
    """Claim due activities under their lease."""
    return [
        Claimed(row["id"], row["agg"], row["kind"], row["name"], orjson.loads(row["args"]), row["fence"], row["lease"])
        for row in await database.fetch(_CLAIM, list(names), limit)
    ]


async def lose(database: Database, rules: Rules) -> int:
    """Tell the aggregates of `once` work whose lease ended without a result; return how many messages wait more."""
    lanes = {name: kind.lane for name, kind in rules.kinds.items()}
    return int((await database.row(_LOST, list(lanes), list(lanes.values())))["waiting"])


async def renew(database: Database, claimed: Claimed) -> bool:
    """Extend a lease that has not ended."""
    return bool(await database.write(_RENEW, claimed.id, claimed.fence))


async def release(database: Database, claimed: Claimed, delay: float) -> bool:
    """Give repeatable work back."""
    return bool(await database.write(_RELEASE, claimed.id, claimed.fence, delay))


async def finish(
    database: Database, rules: Rules, claimed: Claimed, result: JSON
) -> tuple[Literal["done", "late", "stale"], int]:
    """Deliver a result; a `once` result after its lease is `late`, any result after a newer claim is `stale`.

    Also return how many messages wait more.
    """
    told, lost = (
        orjson.dumps({"id": claimed.id, "name": claimed.name, "result": outcome}) for outcome in (result, None)
    )
    lane = rules.kind_of(claimed.aggregate).lane
    (row,) = await database.write(_FINISH, claimed.id, claimed.fence, lane, told, lost)
    if row["late"] is None:
        return "stale", 0
    return ("late" if row["late"] else "done"), row["waiting"]
