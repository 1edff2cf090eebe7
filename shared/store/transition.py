"""One transition in memory: from what was loaded to everything that must be written. Pure but for the clock given.

Both stores run exactly this; they differ only in how they load and commit. An exception of `decide` is permanent: the
batch is decided again message by message on freshly decoded state, and what still fails is marked dead. Everything in
`Effects` is encoded and checked here, so nothing an author returns can make a commit fail. Exceptions of the database
never pass through here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, NamedTuple

import orjson

from shared.errors import ConfigurationError
from shared.events.envelope import EVENT_MAX, Outgoing, headers_of
from shared.store.intake import mended, plain
from shared.store.model import JSON, STATE_MAX, TIMER, Activity, Decision, Kind, Local, Message, Record, Timer
from shared.store.records import Upsert, refuse_record

JsonText = str | bytes
"""JSON as the driver returns it."""


@dataclass(slots=True)
class Loaded:
    """An aggregate as read for one batch. `timers` maps name to (due, body).

    `broken` says of messages, by (seq, id), why they can never be decided: their body is no JSON, or `needs` raises.
    """

    aggregate: str
    done: int
    messages: list[Message]
    state: JsonText | None = None
    version: int = 0
    out_seq: int = 0
    audit_seq: int = 0
    audit_head: bytes = b""
    timers: dict[str, tuple[float, JSON]] = field(default_factory=dict)
    rows: dict[str, JsonText] = field(default_factory=dict)
    broken: dict[tuple[int, str], str] = field(default_factory=dict)
    seen: JSON = None
    """The state as `needs` has seen it; `needs` is pure, so that `decide` may have the same."""


class OutboxRow(NamedTuple):
    """One event as it will be sent: `headers` is the complete envelope, as JSON text."""

    seq: int
    topic: str
    key: str
    id: str
    headers: str
    body: bytes


class LocalRow(NamedTuple):
    """One message to an aggregate of this service, as its inbox will hold it."""

    aggregate: str
    id: str
    type: str
    body: bytes
    meta: str = ""


class ActivityRow(NamedTuple):
    """One activity to start, with its arguments as JSON text."""

    id: str
    kind: str
    name: str
    args: bytes
    lease: float
    not_before: float | None


@dataclass(frozen=True, slots=True)
class Dead:
    """A message that can never be decided, and why."""

    message: Message
    reason: str


@dataclass(slots=True)
class Effects:
    """What one batch writes, for one aggregate. `state`, row values and replies are JSON text."""

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
    messages: list[LocalRow] = field(default_factory=list)
    activities: list[ActivityRow] = field(default_factory=list)
    audit: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    records: list[Upsert] = field(default_factory=list)
    replies: dict[str, bytes] = field(default_factory=dict)
    dead: list[Dead] = field(default_factory=list)
    parked: Dead | None = None
    """Set when `on_dead` raised too: the message that stays where it is, and the aggregate with it."""
    decided: int = 0

    @property
    def next_timer(self) -> float | None:
        """The earliest due time of the timers left."""
        return min((due for due, _ in self.timers.values()), default=None) if self.timers else None

    @property
    def timers_json(self) -> bytes:
        """The timers left, as JSON text."""
        return orjson.dumps(self.timers) if self.timers else b"{}"


@dataclass(frozen=True, slots=True)
class Rules:
    """What every transition of a service shares."""

    service: str
    kinds: Mapping[str, Kind]
    config: Any = None
    config_sha256: str = ""
    prepare: Callable[[Record], Upsert] = refuse_record
    """Turns a record into its statement; raises ValueError for what no registered table can hold."""

    def kind_of(self, aggregate: str) -> Kind:
        """Return the kind of an aggregate. Raises ConfigurationError when this service has none such."""
        kind = self.kinds.get(aggregate.partition("/")[0])
        if kind is None:
            known = ", ".join(sorted(self.kinds))
            raise ConfigurationError(f"{self.service} has no kind of aggregate for {aggregate!r}; it has: {known}")
        return kind


def batch_of(loaded: Loaded, now: float) -> list[Message]:
    """Return the messages of this batch: what waits, then the due timers, which are gone with the commit."""
    if not loaded.timers:
        return loaded.messages
    due = sorted((when, name) for name, (when, _) in loaded.timers.items() if when <= now)
    fired = [
        Message(
            seq=0,
            id=f"{loaded.aggregate}!{name}@{when:.6f}",
            type=TIMER,
            body={"name": name, "body": loaded.timers[name][1]},
        )
        for when, name in due
    ]
    return [*loaded.messages, *fired]


def needs_of(rules: Rules, loaded: Loaded, batch: Sequence[Message]) -> Collection[str]:
    """Return the row keys of a batch. A message for which `needs` raises is noted in `loaded.broken`."""
    kind = rules.kind_of(loaded.aggregate)
    sound = [m for m in batch if (m.seq, m.id) not in loaded.broken] if loaded.broken else batch
    try:
        loaded.seen = _decode(loaded.state)
        return kind.needs(loaded.seen, sound)
    except Exception:  # noqa: BLE001 -- the decide boundary: author code may raise anything, the culprit is found below
        keys: set[str] = set()
        for message in sound:
            try:
                keys.update(kind.needs(_decode(loaded.state), [message]))
            except Exception as error:  # noqa: BLE001 -- the decide boundary
                loaded.broken[message.seq, message.id] = _reason(error)
        return keys


def run(rules: Rules, loaded: Loaded, batch: Sequence[Message], now: float) -> Effects:
    """Decide `batch` and return what to write. Never raises for what author code does."""
    kind = rules.kind_of(loaded.aggregate)
    if loaded.broken:
        return _one_by_one(kind, rules, loaded, batch, now)
    try:
        effects = _start(loaded)
        state = _decode(loaded.state) if loaded.seen is None else loaded.seen
        rows = {key: orjson.loads(value) for key, value in loaded.rows.items()}
        _apply(effects, rules, kind.decide(rules.config, state, rows, batch, now), batch, now)
    except Exception:  # noqa: BLE001 -- the decide boundary: one bad message must not stop its neighbours
        return _one_by_one(kind, rules, loaded, batch, now)
    else:
        return effects


def _one_by_one(kind: Kind, rules: Rules, loaded: Loaded, batch: Sequence[Message], now: float) -> Effects:
    effects = _start(loaded)
    rows = dict(loaded.rows)
    for message in batch:
        before = effects
        reason = loaded.broken.get((message.seq, message.id))
        if reason is None:
            try:
                effects = _copy(before)
                inputs = _inputs(rules, effects.state, rows)
                _apply(effects, rules, kind.decide(*inputs, [message], now), [message], now)
            except Exception as error:  # noqa: BLE001 -- the decide boundary
                reason = _reason(error)
        if reason is not None:
            effects = _bury(kind, rules, before, Dead(message, reason), now)
        if effects.parked:
            return effects
        for key, (value, _) in effects.rows.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    return effects


def _reason(error: Exception) -> str:
    return mended(f"{type(error).__name__}: {error}")[:500]


def _bury(kind: Kind, rules: Rules, before: Effects, dead: Dead, now: float) -> Effects:
    effects = _copy(before)
    try:
        decision = kind.on_dead(_decode(before.state), dead.message, dead.reason)
        decision.events.append(_letter(rules, before.aggregate, dead))
        _apply(effects, rules, decision, [dead.message], now)
    except Exception as error:  # noqa: BLE001 -- the decide boundary: `on_dead` raised too, so nothing more may run here
        parked = _copy(before)
        parked.parked = Dead(dead.message, f"{dead.reason}; on_dead: {_reason(error)}"[:500])
        return parked
    effects.dead.append(dead)
    return effects


def _letter(rules: Rules, aggregate: str, dead: Dead) -> Outgoing:
    message = dead.message
    size = len(orjson.dumps(message.body))
    body: dict[str, Any] = {
        "service": rules.service,
        "message_id": message.id,
        "type": message.type,
        "reason": dead.reason,
        "body": message.body,
    }
    if size > EVENT_MAX // 2:
        # The letter must fit into an event itself; the whole body stays in the table of the dead.
        body |= {"body": None, "body_bytes": size}
    return Outgoing(
        topic="dead-letters.v1",
        key=aggregate,
        type="message.dead",
        body=body,
        environment=message.meta.get("environment", ""),
        causation=message.id,
    )


def _start(loaded: Loaded) -> Effects:
    state = loaded.state or b"null"
    return Effects(
        aggregate=loaded.aggregate,
        done=loaded.done,
        version=loaded.version,
        out_seq=loaded.out_seq,
        audit_seq=loaded.audit_seq,
        audit_head=loaded.audit_head,
        state=state.encode() if isinstance(state, str) else state,
        timers=dict(loaded.timers),
    )


def _copy(effects: Effects) -> Effects:
    return replace(
        effects,
        timers=dict(effects.timers),
        rows=dict(effects.rows),
        outbox=list(effects.outbox),
        messages=list(effects.messages),
        activities=list(effects.activities),
        audit=list(effects.audit),
        records=list(effects.records),
        replies=dict(effects.replies),
        dead=list(effects.dead),
    )


def _inputs(rules: Rules, state: JsonText | None, rows: Mapping[str, JsonText]) -> tuple[Any, JSON, dict[str, JSON]]:
    return rules.config, _decode(state), {key: orjson.loads(value) for key, value in rows.items()}


def _decode(state: JsonText | None) -> JSON:
    return orjson.loads(state) if state else None


def _apply(effects: Effects, rules: Rules, decision: Decision, batch: Sequence[Message], now: float) -> None:
    """Add `decision` to `effects`. Raises for what cannot be stored; `effects` is then to be thrown away."""
    state = orjson.dumps(decision.state)
    if len(state) > STATE_MAX:
        raise ValueError(f"state of {effects.aggregate} has {len(state)} bytes, more than {STATE_MAX}")
    for message in batch:
        if message.seq:
            effects.done = max(effects.done, message.seq)
        else:
            effects.timers.pop(message.body["name"], None)
    for name, timer in decision.timers.items():
        _set_timer(effects, name, timer)
    for event in decision.events:
        _emit(effects, rules, event, now)
    for key, row in decision.rows.items():
        effects.rows[plain(key)] = (None if row.value is None else orjson.dumps(row.value), row.expires)
    if decision.audit:
        _chain(effects, rules, decision.audit, batch, now)
    effects.messages += [_local(rules, local) for local in decision.messages]
    effects.activities += [_activity(activity) for activity in decision.activities]
    effects.records += [rules.prepare(record) for record in decision.records]
    for key, reply in decision.replies.items():
        effects.replies[plain(key)] = orjson.dumps(reply)
    effects.state = state
    effects.version += 1
    effects.decided += len(batch)


def _set_timer(effects: Effects, name: str, timer: Timer | None) -> None:
    if timer is None:
        effects.timers.pop(name, None)
        return
    if not isfinite(timer.due):
        raise ValueError(f"timer {name} of {effects.aggregate} is due at {timer.due}")
    orjson.dumps({name: timer.body})
    effects.timers[name] = (timer.due, timer.body)


def _local(rules: Rules, local: Local) -> LocalRow:
    rules.kind_of(local.aggregate)
    return LocalRow(plain(local.aggregate), plain(local.id), plain(local.type), orjson.dumps(local.body))


def _activity(activity: Activity) -> ActivityRow:
    return ActivityRow(
        id=plain(activity.id),
        kind=activity.kind,
        name=plain(activity.name),
        args=orjson.dumps(activity.args),
        lease=float(activity.lease),
        not_before=activity.not_before,
    )


def _emit(effects: Effects, rules: Rules, event: Outgoing, now: float) -> None:
    body = orjson.dumps(event.body)
    if len(body) > EVENT_MAX:
        raise ValueError(f"event {event.type} of {effects.aggregate} has {len(body)} bytes, more than {EVENT_MAX}")
    effects.out_seq += 1
    event_id = plain(event.id) if event.id else f"{rules.service}/{effects.aggregate}:{effects.out_seq}"
    headers = orjson.dumps(headers_of(event, event_id=event_id, source=f"signoff/{rules.service}", now=now)).decode()
    effects.outbox.append(OutboxRow(effects.out_seq, plain(event.topic), plain(event.key), event_id, headers, body))


def _chain(effects: Effects, rules: Rules, entries: Sequence[JSON], batch: Sequence[Message], now: float) -> None:
    frame = {"at": now, "config": rules.config_sha256, "entry": None, "messages": [m.id for m in batch[:20]]}
    if len(entries) > 1:
        frame["messages"] = orjson.Fragment(orjson.dumps(frame["messages"]))
    seq, head = effects.audit_seq, effects.audit_head
    for entry in entries:
        frame["entry"] = entry
        text = orjson.dumps(frame, option=orjson.OPT_SORT_KEYS)
        seq, head = seq + 1, chain(head, text)
        effects.audit.append((seq, text, head))
    effects.audit_seq, effects.audit_head = seq, head


def chain(previous: bytes, entry: bytes) -> bytes:
    """Return the hash of an audit entry that follows `previous`. The format is frozen."""
    return hashlib.sha256(previous + entry).digest()
