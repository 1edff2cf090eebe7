"""The reads of the port on SQLite."""

from __future__ import annotations

POSITION = "select position from subscription where name=?"
REPLY = "select body from reply where id=?"
OUTBOX = """select n,agg,topic,key,id,headers,body from outbox o
  where not exists (select 1 from parked_key p where p.topic=o.topic and p.key=o.key) order by n limit ?"""
PARKED = "select 1 from parked_key limit 1"
STATE = "select state from aggregate where agg=?"
STATES = "select agg,state from aggregate where agg>=? and agg<? order by agg"
ROWS = """select key,value from aggregate_row where agg=?1 and substr(key,1,length(?2))=?2
  and (expires is null or expires>?3) order by key"""
CHANGES = "select n,feed from change where n>? order by n limit ?"
DEAD = """select agg,seq,id,type,body,reason,at from dead where ?1 is null or id=?1
  union all
  select i.agg,i.seq,i.id,i.type,i.body,'waits in a parked aggregate',i.at
  from key_head h join inbox i on i.agg=h.agg
  where h.parked and (?1 is null or i.id=?1) and not exists
    (select 1 from dead d where d.agg=i.agg and d.seq=i.seq and d.id=i.id)
  order by 7,1,2"""
AUDIT = "select seq,entry,hash from audit where agg=? order by seq"
