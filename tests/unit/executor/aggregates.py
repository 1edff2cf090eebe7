"""The executor's aggregates in memory: an incident and its governor, run by the store's own transition runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.executor.domain.config import ExecutorConfig
from services.executor.handlers.governor import GovernorKind
from services.executor.handlers.incident import Incident
from shared.store.model import ACTIVITY_DONE, ACTIVITY_LATE, ACTIVITY_LOST, JSON, Message
from shared.store.transition import Effects, Loaded, Rules, batch_of, needs_of, run

NOW = 1_800_000_000.0
INCIDENT_ID = "INC-ABCDEFGHIJ"
ENVIRONMENT = "sim:t"


@dataclass(frozen=True)
class Told:
    """An event as it went out."""

    id: str
    type: str
    body: dict[str, Any]
    resend: int = 0


@dataclass(frozen=True)
class Started:
    """An activity as it was started."""

    id: str
    name: str
    args: dict[str, Any]
    kind: str
    lease: float
    not_before: float | None


@dataclass
class _Kept:
    """What a database would keep of one aggregate."""

    state: bytes | None = None
    done: int = 0
    out_seq: int = 0
    audit_seq: int = 0
    audit_head: bytes = b""
    timers: dict[str, tuple[float, JSON]] = field(default_factory=dict)
    rows: dict[str, bytes] = field(default_factory=dict)


class Executor:
    """Gives messages to aggregates and keeps what they cause. Messages between siblings arrive at once."""

    def __init__(self, config: ExecutorConfig, environment: str = ENVIRONMENT) -> None:
        self.rules = Rules(service="executor", kinds={"incident": Incident(), "governor": GovernorKind()})
        self.configure(config)
        self.environment = environment
        self.incident = f"incident/{INCIDENT_ID}"
        self.governor = f"governor/{environment}"
        self.now = NOW
        self.events: list[Told] = []
        self.topic: list[tuple[str, dict[str, Any], int]] = []
        """What `incidents.v1` holds: type, body, resend, of the events given and of those caused."""
        self.started: list[Started] = []
        self.audit: list[dict[str, Any]] = []
        self.dead: list[str] = []
        self.replies: dict[str, Any] = {}
        self.locals_held: list[tuple[str, str, str, Any]] | None = None
        """Set to a list to keep messages between siblings back."""
        self._kept: dict[str, _Kept] = {}
        self._seq = 0

    def configure(self, config: ExecutorConfig) -> None:
        """Replace the configuration."""
        self.rules = Rules(service="executor", kinds=self.rules.kinds, config=config)

    def state(self, aggregate: str | None = None) -> Any:  # noqa: ANN401 -- any JSON
        """Return the state of an aggregate, the incident's by default."""
        return orjson.loads(self._kept[aggregate or self.incident].state or b"null")

    def overwrite(self, state: object) -> None:
        """Change what the database keeps of the incident, as somebody with access to it could."""
        self._kept[self.incident].state = orjson.dumps(state)

    def timers(self) -> dict[str, float]:
        """Return the incident's timers: name -> seconds from now."""
        return {name: due - self.now for name, (due, _) in self._kept[self.incident].timers.items()}

    def give(self, message_id: str, type_: str, body: object, *, to: str = "", **meta: str) -> list[Told]:
        """Give one message; return the events it caused, with those of the messages it sent to siblings."""
        self._seq += 1
        message = Message(self._seq, message_id, type_, orjson.loads(orjson.dumps(body)), meta)
        return self._settle(to or self.incident, [message])

    def event(self, type_: str, body: Mapping[str, Any], message_id: str = "", **meta: str) -> list[Told]:
        """Give one event from the bus."""
        found = message_id or f"diagnoser/{type_}:{self._seq}"
        self.topic.append((type_, dict(body), int(meta.get("resend", "0"))))
        return self.give(
            found, type_, body, **{"environment": self.environment, "subject": INCIDENT_ID, "source": "s", **meta}
        )

    def newest(self, name: str) -> Started:
        """Return the newest activity of a name."""
        return next(one for one in reversed(self.started) if one.name == name)

    def count(self, name: str) -> int:
        """Return how many activities of a name were started."""
        return sum(one.name == name for one in self.started)

    def finish(self, name: str, result: object) -> list[Told]:
        """Deliver the result of the newest activity of a name."""
        return self._end(self.newest(name), ACTIVITY_DONE, result)

    def lose(self, name: str) -> list[Told]:
        """Let the lease of the newest activity of a name end without a result."""
        return self._end(self.newest(name), ACTIVITY_LOST, None)

    def late(self, one: Started, result: object) -> list[Told]:
        """Deliver a result after the lease."""
        return self._end(one, ACTIVITY_LATE, result)

    def _end(self, one: Started, how: str, result: object) -> list[Told]:
        return self.give(f"{one.id}!{how}", how, {"id": one.id, "name": one.name, "result": result})

    def wait(self, seconds: float) -> list[Told]:
        """Let time pass; every timer of the incident fires when it is due."""
        end, caused = self.now + seconds, []
        while True:
            due = min((due for due, _ in self._kept[self.incident].timers.values()), default=end + 1)
            if due > end:
                break
            self.now = max(self.now, due)
            caused += self._settle(self.incident, [])
        self.now = end
        return caused

    def release(self) -> list[Told]:
        """Deliver what was kept back between siblings, in order."""
        held, self.locals_held = self.locals_held or [], None
        caused: list[Told] = []
        for aggregate, message_id, type_, body in held:
            caused += self.give(message_id, type_, body, to=aggregate)
        return caused

    def _settle(self, aggregate: str, messages: list[Message]) -> list[Told]:
        kept = self._kept.setdefault(aggregate, _Kept())
        loaded = Loaded(
            aggregate=aggregate,
            done=kept.done,
            messages=messages,
            state=kept.state,
            out_seq=kept.out_seq,
            audit_seq=kept.audit_seq,
            audit_head=kept.audit_head,
            timers=dict(kept.timers),
        )
        batch = batch_of(loaded, self.now)
        loaded.rows = {key: kept.rows[key] for key in needs_of(self.rules, loaded, batch) if key in kept.rows}
        effects = run(self.rules, loaded, batch, self.now)
        assert effects.parked is None, effects.parked
        return self._keep(kept, effects)

    def _keep(self, kept: _Kept, effects: Effects) -> list[Told]:
        kept.state, kept.done, kept.out_seq, kept.timers = effects.state, effects.done, effects.out_seq, effects.timers
        kept.audit_seq, kept.audit_head = effects.audit_seq, effects.audit_head
        for key, (value, _) in effects.rows.items():
            kept.rows.pop(key, None)
            if value is not None:
                kept.rows[key] = value
        caused = []
        for row in effects.outbox:
            headers = orjson.loads(row.headers)
            told = Told(
                row.id,
                headers["ce_type"].removesuffix(".v1"),
                orjson.loads(row.body),
                int(headers.get("ce_resend", "0")),
            )
            caused.append(told)
        self.events += caused
        self.topic += [(told.type, told.body, told.resend) for told in caused]
        self.dead += [f"{dead.message.type}: {dead.reason}" for dead in effects.dead]
        self.audit += [orjson.loads(text)["entry"] for _, text, _ in effects.audit]
        self.replies |= {key: orjson.loads(value) for key, value in effects.replies.items()}
        for one in effects.activities:
            args = orjson.loads(one.args)
            self.started.append(Started(one.id, one.name, args, one.kind, one.lease, one.not_before))
        for local in effects.messages:
            if self.locals_held is not None:
                self.locals_held.append((local.aggregate, local.id, local.type, orjson.loads(local.body)))
            else:
                caused += self.give(local.id, local.type, orjson.loads(local.body), to=local.aggregate)
        return caused


def types(events: list[Told]) -> list[str]:
    """Return the types of events, in order."""
    return [event.type for event in events]
