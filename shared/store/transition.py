"""One transition in memory: from what was loaded to everything that must be written. Pure but for the clock given.

Both stores run exactly this; they differ only in how they load and commit. An exception of `decide` is permanent: the
batch is decided again message by message on freshly decoded state, and what still fails is marked dead. Exceptions of
the database never pass through here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.events.envelope import EVENT_MAX, Outgoing, headers_of
from shared.store.model import JSON, STATE_MAX, TIMER, Activity, Decision, Kind, Local, Message, Record


@dataclass(slots=True)
class Loaded:
    """An aggregate as read for one batch. `rows` holds JSON text, `timers` maps name to (due, body)."""

    aggregate: str
    done: int
    messages: list[Message]
    state: bytes | None = None
    version: int = 0
    out_seq: int = 0
    audit_seq: int = 0
    audit_head: bytes = b""
    timers: dict[str, tuple[float, JSON]] = field(default_factory=dict)
    rows: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One event as it will be sent: `headers` is the complete envelope."""

    seq: int
    topic: str
    key: str
    id: str
    headers: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that can never be decided, and why."""

    message: Message
    reason: str


@dataclass(slots=True)
class Effects:
    """What one batch writes, for one aggregate."""

    aggregate: str
    done: int
    version: int
    out_seq: int
    audit_seq: int
    audit_head: bytes
    state: bytes
    timers: dict[str, tuple[float, JSON]]
    rows: dict[str, tuple[bytes | None, float | None]] = field(default_factory=dict)
    outbox: list[OutboxRow] = field(default_factory=list)
    messages: list[Local] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    audit: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    replies: dict[str, JSON] = field(default_factory=dict)
    dead: list[Dead] = field(default_factory=list)
    parked: bool = False
    decided: int = 0

    @property
    def next_timer(self) -> float | None:
        """The earliest due time of the timers left."""
        return min((due for due, _ in self.timers.values()), default=None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What every transition of a service shares."""

    service: str
    config: Any
    config_sha256: str = ""


def batch_of(loaded: Loaded, now: float) -> list[Message]:
    """Return the messages of this batch: what waits, then the due timers, which are gone with the commit."""
    due = sorted((when, name, body) for name, (when, body) in loaded.timers.items() if when <= now)
    fired = [
        Message(seq=0, id=f"{loaded.aggregate}!{name}@{when:.6f}", type=TIMER, body={"name": name, "body": body})
        for when, name, body in due
    ]
    return [*loaded.messages, *fired]


def needs_of(kind: Kind, loaded: Loaded, batch: Sequence[Message]) -> Collection[str]:
    """Return the row keys of a batch; a `needs` that raises asks for none, so that `decide` meets the same message."""
    try:
        return kind.needs(_decode(loaded.state), batch)
    except Exception:  # noqa: BLE001 -- the decide boundary: author code may raise anything, poison is found below
        return ()


def run(kind: Kind, rules: Rules, loaded: Loaded, batch: Sequence[Message], now: float) -> Effects:
    """Decide `batch` and return what to write. Never raises for what author code does."""
    try:
        effects = _start(loaded)
        _apply(effects, rules, kind.decide(*_inputs(rules, loaded.state, loaded.rows), batch, now), batch, now)
    except Exception:  # noqa: BLE001 -- the decide boundary: one bad message must not stop its neighbours
        return _one_by_one(kind, rules, loaded, batch, now)
    else:
        return effects


def _one_by_one(kind: Kind, rules: Rules, loaded: Loaded, batch: Sequence[Message], now: float) -> Effects:
    effects = _start(loaded)
    rows = dict(loaded.rows)
    for message in batch:
        before = effects
        try:
            effects = _copy(before)
            inputs = _inputs(rules, effects.state or None, rows)
            _apply(effects, rules, kind.decide(*inputs, [message], now), [message], now)
        except Exception as error:  # noqa: BLE001 -- the decide boundary
            effects = _bury(kind, rules, before, Dead(message, f"{type(error).__name__}: {error}"[:500]), now)
            if effects.parked:
                return effects
        for key, (value, _) in effects.rows.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    return effects


def _bury(kind: Kind, rules: Rules, before: Effects, dead: Dead, now: float) -> Effects:
    effects = _copy(before)
    message = dead.message
    try:
        decision = kind.on_dead(_decode(before.state or None), message, dead.reason)
        letter = Outgoing(
            topic="dead-letters.v1",
            key=before.aggregate,
            type="message.dead",
            body={"service": rules.service, "message_id": message.id, "type": message.type, "reason": dead.reason,
                  "body": message.body},
            environment=message.meta.get("environment", ""),
            causation=message.id,
        )
        decision.events.append(letter)
        _apply(effects, rules, decision, [message], now)
    except Exception:  # noqa: BLE001 -- the decide boundary: `on_dead` raised too, so nothing more may run here
        parked = _copy(before)
        parked.parked = True
        return parked
    effects.dead.append(dead)
    return effects


def _start(loaded: Loaded) -> Effects:
    return Effects(
        aggregate=loaded.aggregate,
        done=loaded.done,
        version=loaded.version,
        out_seq=loaded.out_seq,
        audit_seq=loaded.audit_seq,
        audit_head=loaded.audit_head,
        state=loaded.state or b"",
        timers=dict(loaded.timers),
    )


def _copy(effects: Effects) -> Effects:
    names = Effects.__slots__
    values = {name: getattr(effects, name) for name in names}
    return Effects(**{n: type(v)(v) if isinstance(v, (list, dict)) else v for n, v in values.items()})


def _inputs(rules: Rules, state: bytes | None, rows: Mapping[str, bytes]) -> tuple[Any, JSON, dict[str, JSON]]:
    return rules.config, _decode(state), {key: orjson.loads(value) for key, value in rows.items()}


def _decode(state: bytes | None) -> JSON:
    return orjson.loads(state) if state else None


def _apply(effects: Effects, rules: Rules, decision: Decision, batch: Sequence[Message], now: float) -> None:
    """Add `decision` to `effects`. Raises ValueError when a size limit is passed, before anything is kept."""
    state = orjson.dumps(decision.state)
    if len(state) > STATE_MAX:
        raise ValueError(f"state of {effects.aggregate} has {len(state)} bytes, more than {STATE_MAX}")
    for message in batch:
        if message.type == TIMER:
            effects.timers.pop(message.body["name"], None)
        else:
            effects.done = max(effects.done, message.seq)
    for name, timer in decision.timers.items():
        if timer is None:
            effects.timers.pop(name, None)
        else:
            effects.timers[name] = (timer.due, timer.body)
    for event in decision.events:
        _emit(effects, rules, event, now)
    for key, row in decision.rows.items():
        effects.rows[key] = (None if row.value is None else orjson.dumps(row.value), row.expires)
    for entry in decision.audit:
        _chain(effects, rules, entry, batch, now)
    effects.messages.extend(decision.messages)
    effects.activities.extend(decision.activities)
    effects.records.extend(decision.records)
    effects.replies.update(decision.replies)
    effects.state = state
    effects.version += 1
    effects.decided += len(batch)


def _emit(effects: Effects, rules: Rules, event: Outgoing, now: float) -> None:
    body = orjson.dumps(event.body)
    if len(body) > EVENT_MAX:
        raise ValueError(f"event {event.type} of {effects.aggregate} has {len(body)} bytes, more than {EVENT_MAX}")
    effects.out_seq += 1
    event_id = event.id or f"{rules.service}/{effects.aggregate}:{effects.out_seq}"
    headers = orjson.dumps(headers_of(event, event_id=event_id, source=f"signoff/{rules.service}", now=now))
    effects.outbox.append(OutboxRow(effects.out_seq, event.topic, event.key, event_id, headers, body))


def _chain(effects: Effects, rules: Rules, entry: JSON, batch: Sequence[Message], now: float) -> None:
    text = orjson.dumps(
        {"at": now, "config": rules.config_sha256, "messages": [m.id for m in batch][:20], "entry": entry},
        option=orjson.OPT_SORT_KEYS,
    )
    effects.audit_head = chain(effects.audit_head, text)
    effects.audit_seq += 1
    effects.audit.append((effects.audit_seq, text, effects.audit_head))


def chain(previous: bytes, entry: bytes) -> bytes:
    """Return the hash of an audit entry that follows `previous`. The format is frozen."""
    return hashlib.sha256(previous + entry).digest()
