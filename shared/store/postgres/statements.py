"""The SQL of the hot path. Each statement is one round trip in its own transaction, unless said otherwise.

Every change of `key_head` is one upsert over a CTE `hd(agg,lane,done,add,nx,fence,park)`, in the order of aggregates:
that one order keeps intake, commits and results free of deadlocks. `fence` 0 is a sender who adds messages; above 0 it
is the owner who ends its claim: `due` is then computed from the newest version of the row, so that no message that came
meanwhile is overlooked.
"""

# ruff: noqa: S608 -- only constants of this package are put together here; values are parameters
from __future__ import annotations

from shared.store.model import BATCH_MAX, Lane

CLAIM_MAX = 64
"""Aggregates of one lane in one claim."""

# The start of the statement by the server's clock: unlike clock_timestamp() an index can be searched for it, and it is
# never later than the truth, so no timer is early.
NOW = "extract(epoch from statement_timestamp())::float8"

HEADS = f"""insert into key_head as k(agg,lane,done,tail,due,fence,parked)
  select agg,lane,done,add,nx,fence,park from hd order by agg
  on conflict (agg) do update set lane=excluded.lane, tail=k.tail+excluded.tail, done=greatest(k.done,excluded.done),
    parked=k.parked or excluded.parked, claimed=k.claimed and excluded.fence=0,
    due=case when k.parked or excluded.parked then null
      when excluded.fence>0 then case when k.tail+excluded.tail>excluded.done then {NOW} else excluded.due end
      when k.claimed then k.due else least(k.due,excluded.due) end
  where excluded.fence=0 or (k.fence=excluded.fence and k.claimed)
  returning agg,tail,done,parked"""

_SEND = f"""hd as (select agg,max(lane) lane,0::bigint done,count(*) add,{NOW} nx,0::bigint fence,false park
    from f group by agg),
  h as ({HEADS}),
  i as (insert into inbox(agg,seq,id,type,body,meta,at)
    select f.agg, h.tail-hd.add+row_number() over (partition by f.agg order by f.ord), f.id,f.type,f.body,f.meta,{NOW}
    from f join h using (agg) join hd using (agg))"""
_WAITING = "(select coalesce(sum(hd.add) filter (where not h.parked),0)::bigint from h join hd using (agg)) waiting"

TAKE = f"""with m as (select * from
    unnest($1::bytea[],$2::text[],$3::int[],$4::text[],$5::text[],$6::bytea[],$7::text[])
    with ordinality as t(key,agg,lane,id,type,body,meta,ord)),
  s as (insert into seen(key,at) select key,{NOW} from m order by key on conflict do nothing returning key),
  f as (select m.* from m join s using (key)),
  {_SEND},
  p as (insert into subscription(name,position) select $8,$9::bigint where $8<>''
    on conflict(name) do update set position=excluded.position)
  select (select count(*) from s) taken, {_WAITING}"""

SEND_FROM = f"{_SEND} select {_WAITING}"
"""Puts the rows of a CTE `f(agg,lane,id,type,body,meta,ord)` into their inboxes."""
SEND = f"""with f as (select * from unnest($1::text[],$2::int[],$3::text[],$4::text[],$5::bytea[],$6::text[])
    with ordinality as t(agg,lane,id,type,body,meta,ord)),
  {SEND_FROM}"""

_LOADED = "a.state,a.version,a.out_seq,a.audit_seq,a.audit_head,a.timers,m.seqs,m.ids,m.types,m.bodies,m.metas"
# Numbers have no gaps, so a range finds a batch: a limit would read and sort all that waits when statistics are old.
_LOAD = f"""left join aggregate a on a.agg=u.agg
  left join lateral (select array_agg(seq) seqs,array_agg(id) ids,array_agg(type) types,array_agg(body) bodies,
      array_agg(meta) metas
    from (select * from inbox i where i.agg=u.agg and i.seq>u.done and i.seq<=u.done+{BATCH_MAX} order by i.seq) w
  ) m on true"""


def _due(lane: Lane) -> str:
    # One scan of the index for each lane: a list of lanes with one order would sort all that waits.
    return f"""select agg,lane,due,done,fence,claimed from key_head where lane={lane.value} and due<={NOW}
    order by due limit {CLAIM_MAX} for update skip locked"""


# The rows are locked in their newest version, but state and inbox are read from the snapshot of the statement. A head
# that changed hands in between (`s` is its older version) means that the state is too old as well: `stale`.
CLAIM = f"""with c1 as materialized ({_due(Lane.URGENT)}),
  c0 as materialized ({_due(Lane.NORMAL)}),
  c as (select * from c1 union all select * from c0),
  u as (update key_head k set due={NOW}+$1, claimed=true, fence=k.fence+1 from c where k.agg=c.agg
    returning k.agg,k.fence,k.done)
  select u.agg,u.fence,u.done,{NOW} as at,
    (coalesce(a.done,0),s.fence,s.claimed) is distinct from (u.done,c.fence,c.claimed) stale, {_LOADED}
  from u join c on c.agg=u.agg left join key_head s on s.agg=u.agg {_LOAD}
  order by c.lane desc, c.due"""

RELOAD = f"select {_LOADED} from (select $1::text agg, $2::bigint done) u {_LOAD}"

ROWS = """select agg,key,value from aggregate_row join unnest($1::text[],$2::text[]) as t(agg,key) using (agg,key)
  where expires is null or expires>$3"""

LOCK_CHANGES = "select pg_advisory_xact_lock($1)"
CHANGE = "insert into change(feed) select feed from unnest($1::text[]) with ordinality as t(feed,ord) order by ord"
"""The last statement of a transaction, after the lock: so numbers follow the order of commits."""
