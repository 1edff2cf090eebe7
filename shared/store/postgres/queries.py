"""The reads of the port on PostgreSQL, and the relay's delete."""

# ruff: noqa: S608 -- only constants of this package are put together here; values are parameters
from __future__ import annotations

from shared.store.postgres.statements import NOW

OUTBOX_BYTES = 1024 * 1024

POSITION = "select position from subscription where name=$1"
OUTBOX = f"""select n,agg,topic,key,id,headers,body from
  (select *, octet_length(body)+octet_length(headers) own,
      sum(octet_length(body)+octet_length(headers)) over (order by n) size
    from (select * from outbox o
      where not exists (select 1 from parked_key p where p.topic=o.topic and p.key=o.key) order by n limit $1) oldest
  ) sized where size<={OUTBOX_BYTES} or size=own order by n"""
# By exact numbers: a lower one may be committed after a higher one was read.
SENT = "delete from outbox where n=any($1::bigint[])"
STATE = "select state from aggregate where agg=$1"
STATES = "select agg,state from aggregate where agg>=$1 and agg<$2 order by agg"
ROWS = f"""select key,value from aggregate_row where agg=$1 and starts_with(key,$2)
  and (expires is null or expires>{NOW}) order by key"""
CHANGES = "select n,feed from change where n>$1 order by n limit $2"
LAST_CHANGE = "select coalesce(max(n),0) from change"
AUDIT = "select seq,entry,hash from audit where agg=$1 order by seq"
CLOCK = "select extract(epoch from clock_timestamp())::float8"
