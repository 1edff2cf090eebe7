"""One service's database in memory, with the real transition runner: inboxes, timers, outbox, leases and fences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.store.intake import accept, read_message
from shared.store.model import ACTIVITY_DONE, ACTIVITY_LATE, ACTIVITY_LOST, JSON, Incoming, Kind, Message, Record
from shared.store.port import Claimed
from shared.store.records import Upsert
from shared.store.transition import ActivityRow, Effects, Loaded, OutboxRow, Rules, batch_of, needs_of, run

IDLE, CLAIMED, LOST = 0, 1, 2


@dataclass(slots=True)
class Clock:
    """The wall clock of all machines; it may jump, also back."""

    now: float


@dataclass(slots=True)
class _Kept:
    state: bytes | None = None
    done: int = 0
    tail: int = 0
    version: int = 0
    out_seq: int = 0
    audit_seq: int = 0
    audit_head: bytes = b""
    timers: dict[str, tuple[float, JSON]] = field(default_factory=dict)
    rows: dict[str, tuple[bytes, float | None]] = field(default_factory=dict)
    inbox: list[Message] = field(default_factory=list)

    def due(self) -> float | None:
        return min((due for due, _ in self.timers.values()), default=None)


@dataclass(slots=True)
class Work:
    """One activity as the table holds it; `due` is when it may be claimed, or when its lease ends."""

    aggregate: str
    row: ActivityRow
    due: float
    state: int = IDLE
    fence: int = 0


class MemoryStore:
    """The database of one service. Each call is one transaction."""

    def __init__(self, service: str, kinds: Sequence[Kind], config: object, clock: Clock) -> None:
        self.rules = Rules(service, {kind.name: kind for kind in kinds}, config, prepare=_plain)
        self.outbox: list[OutboxRow] = []
        self.work: dict[str, Work] = {}
        self.records: list[Record] = []
        self.dead: list[str] = []
        self._clock = clock
        self._now = clock.now
        self._seen: set[bytes] = set()
        self._kept: dict[str, _Kept] = {}

    @property
    def now(self) -> float:
        """The database's clock: never less than before."""
        self._now = max(self._now, self._clock.now)
        return self._now

    def take(self, messages: Sequence[Incoming]) -> None:
        """Put messages into their inboxes, each (id, resend) once for ever."""
        for one in accept(messages, lambda aggregate: self.rules.kind_of(aggregate).lane):
            if one.key not in self._seen:
                self._seen.add(one.key)
                kept = self._kept.setdefault(one.aggregate, _Kept())
                kept.tail += 1
                message, broken = read_message(kept.tail, one.id, one.type, one.body, one.meta)
                assert broken is None, broken
                kept.inbox.append(message)

    def state(self, aggregate: str) -> Any:  # noqa: ANN401 -- any JSON
        """Return the state of an aggregate."""
        kept = self._kept.get(aggregate)
        return orjson.loads(kept.state) if kept and kept.state else None

    def row(self, aggregate: str, key: str) -> Any:  # noqa: ANN401 -- any JSON
        """Return one row."""
        return orjson.loads(self._kept[aggregate].rows[key][0])

    def aggregates(self, kind: str) -> list[str]:
        """Return the aggregates of a kind."""
        return [name for name in self._kept if name.startswith(f"{kind}/")]

    def inbox(self, aggregate: str) -> Sequence[Message]:
        """Return what waits for an aggregate."""
        kept = self._kept.get(aggregate)
        return kept.inbox if kept else ()

    def ready(self) -> list[str]:
        """Return the aggregates that have something to decide now."""
        now = self.now
        return [name for name, kept in self._kept.items() if kept.inbox or (kept.due() or now + 1) <= now]

    def next_due(self) -> float | None:
        """Return when the next timer fires or the next activity may be claimed or is lost."""
        dues = [due for kept in self._kept.values() if (due := kept.due()) is not None]
        dues += [work.due for work in self.work.values() if work.state != LOST]
        return min(dues, default=None)

    def step(self, aggregate: str, limit: int) -> Effects:
        """Decide up to `limit` waiting messages and the due timers of one aggregate, and keep all that follows."""
        kept, now = self._kept[aggregate], self.now
        loaded = Loaded(
            aggregate,
            kept.done,
            kept.inbox[:limit],
            kept.state,
            kept.version,
            kept.out_seq,
            kept.audit_seq,
            kept.audit_head,
            dict(kept.timers),
        )
        batch = batch_of(loaded, now)
        for key in needs_of(self.rules, loaded, batch):
            found = kept.rows.get(key)
            if found is not None and (found[1] is None or found[1] > now):
                loaded.rows[key] = found[0]
        effects = run(self.rules, loaded, batch, now)
        assert effects.parked is None, effects.parked
        self._keep(kept, effects, now)
        return effects

    def _keep(self, kept: _Kept, effects: Effects, now: float) -> None:
        kept.inbox = [message for message in kept.inbox if message.seq > effects.done]
        kept.state, kept.version, kept.timers = effects.state, effects.version, effects.timers
        kept.done, kept.out_seq = effects.done, effects.out_seq
        kept.audit_seq, kept.audit_head = effects.audit_seq, effects.audit_head
        for key, (value, expires) in effects.rows.items():
            kept.rows.pop(key, None)
            if value is not None:
                kept.rows[key] = (value, expires)
        self.outbox += effects.outbox
        self.dead += [f"{dead.message.type} {dead.message.id}: {dead.reason}" for dead in effects.dead]
        self.records += [upsert.parameters[0] for upsert in effects.records]
        for row in effects.activities:
            self.work.setdefault(row.id, Work(effects.aggregate, row, max(now, row.not_before or now)))
        for local in effects.messages:
            self._enqueue(local.aggregate, local.id, local.type, orjson.loads(local.body))

    def _enqueue(self, aggregate: str, message_id: str, type_: str, body: JSON) -> None:
        kept = self._kept.setdefault(aggregate, _Kept())
        kept.tail += 1
        kept.inbox.append(Message(kept.tail, message_id, type_, body))

    def claimable(self) -> list[str]:
        """Return the activities that a worker may claim now; tell of `once` work whose lease has ended."""
        now = self.now
        for name, work in self.work.items():
            if work.state == CLAIMED and work.row.kind == "once" and work.due <= now:
                work.state = LOST
                self._tell(ACTIVITY_LOST, name, work, None)
        return [
            name
            for name, work in self.work.items()
            if work.due <= now and (work.state == IDLE or (work.state == CLAIMED and work.row.kind == "repeatable"))
        ]

    def claim(self, name: str) -> Claimed:
        """Claim an activity under its lease."""
        work = self.work[name]
        row = work.row
        work.state, work.fence, work.due = CLAIMED, work.fence + 1, self.now + row.lease
        kind: Any = row.kind
        return Claimed(name, work.aggregate, kind, row.name, orjson.loads(row.args), work.fence, row.lease)

    def renew(self, claimed: Claimed) -> bool:
        """Extend a lease that has not ended."""
        work = self.work.get(claimed.id)
        if work is None or work.fence != claimed.fence or work.state != CLAIMED or work.due <= self.now:
            return False
        work.due = self.now + claimed.lease
        return True

    def finish(self, claimed: Claimed, result: JSON) -> None:
        """Deliver a result, unless a newer claim has made it stale."""
        work = self.work.get(claimed.id)
        if work is None or work.fence != claimed.fence or work.state == IDLE:
            return
        del self.work[claimed.id]
        if work.state == CLAIMED and work.row.kind == "once" and work.due <= self.now:
            work.state = LOST
            self._tell(ACTIVITY_LOST, claimed.id, work, None)
        self._tell(ACTIVITY_DONE if work.state == CLAIMED else ACTIVITY_LATE, claimed.id, work, result)

    def _tell(self, how: str, name: str, work: Work, result: JSON) -> None:
        body = orjson.loads(orjson.dumps({"id": name, "name": work.row.name, "result": result}))
        self._enqueue(work.aggregate, f"{name}!{how.rpartition('.')[2]}", how, body)


def _plain(record: Record) -> Upsert:
    """Keep a record as it is: there are no tables here."""
    return Upsert("", (record,), record.feed)


def events_of(effects: Effects) -> list[tuple[OutboxRow, Mapping[str, str]]]:
    """Return the events of one step with their headers."""
    return [(row, orjson.loads(row.headers)) for row in effects.outbox]
