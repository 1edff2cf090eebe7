"""The state of an incident and one message's turn on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate
from typing import TypedDict

import orjson

from services.diagnoser.domain.config import Config
from services.diagnoser.domain.differing import Stand
from shared.events.envelope import Outgoing
from shared.events.incidents import AttachedAlert, IncidentAlertsAttached
from shared.events.payload import Payload
from shared.incident.alert import Alert
from shared.incident.enums import Severity, Stage
from shared.incident.model import LIVE
from shared.store.model import JSON, Decision, Local, Message, Timer

KIND = "incident"
CARRIED_MAX = 20
CARRIED_BYTES = 40 * 1024
"""Alerts that one `incident.alerts_attached` carries."""
AT_ONCE_MAX, TELL_EVERY, UNTOLD_MAX = 50, 1.0, 5
"""Up to so many alerts of an incident each that joins is told at once; beyond that all of them once in so many seconds,
with so many in full. A storm would say the same many times a second to everybody who follows."""
TELL_TIMER = "joined"
DESCRIPTION_MAX, LABELS_MAX, NAME_MAX, VALUE_MAX = 1000, 40, 100, 200
"""Of an alert in an event: characters of its description, its labels, and characters of a label's name and value."""


class Recommended(TypedDict):
    """The recommendation that stands: what makes it another one, and what a resend needs."""

    id: str
    identity: list[list[object]]
    body: JSON
    event_id: str
    """Empty until the event has come back from the bus."""
    resends: int


@dataclass(slots=True)
class IncidentState:
    """One incident. Times named `*_at` are wall seconds; `started` and `recovered` are data seconds."""

    id: str
    environment: str = LIVE
    title: str = ""
    severity: str = Severity.SEV3.value
    category: str = "unknown"
    services: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    started: float = 0.0
    recovered: float = 0.0
    alerts: list[JSON] = field(default_factory=list)
    """The first alerts, as an investigation looks at them."""
    symptoms: list[str] = field(default_factory=list)
    total: int = 0
    firing: int = 0
    quiet: bool = False
    """No alert fires, and that has been said."""
    closed_at: float | None = None
    settled_at: float | None = None
    """Since when nothing but time keeps the incident from closing."""
    stage: str = Stage.OPEN.value
    """Folded from the topic, as everybody else folds it."""
    stage_recovered: bool = False
    debts: dict[str, str] = field(default_factory=dict)
    investigations: int = 0
    investigating: str = ""
    investigated_at: float | None = None
    investigated: str = ""
    """What was known of the alerts when they were looked at last."""
    asked: JSON = None
    """Who asked to look again, while that has not begun: `request_id` and `actor`."""
    concluded: Stand | None = None
    symptom: float | None = None
    """When the first symptom that the newest diagnosis cites began, in data seconds."""
    recommendations: int = 0
    recommended: Recommended | None = None
    story: list[JSON] = field(default_factory=list)
    summarized: str = ""
    waiting: dict[str, JSON] = field(default_factory=dict)
    """Answers and summaries that a model may add to, by activity: what is needed to give them without it."""
    told_at: float = 0.0
    """When it was last told that alerts joined."""
    untold: list[JSON] = field(default_factory=list)
    """Alerts that joined since and are yet to be told, each with the reason: the first of them."""
    raised: bool = False
    """A model has had the severity raised; once is enough."""

    @property
    def detected(self) -> float | None:
        """Seconds from the first symptom to the first alert, both in data time; None when that is not known."""
        return None if self.symptom is None or self.symptom > self.started else self.started - self.symptom

    @classmethod
    def read(cls, state: JSON) -> IncidentState:
        """Return the state from JSON."""
        return cls(**state)

    def json(self) -> JSON:
        """Return the state as JSON."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = tuple(one.name for one in fields(IncidentState))


@dataclass(slots=True)
class IncidentTurn:
    """Everything a message may look at and cause."""

    config: Config
    state: IncidentState
    rows: dict[str, JSON]
    now: float
    decision: Decision
    message: Message
    attached: list[tuple[AttachedAlert, str]] = field(default_factory=list)
    """Alerts that joined in this batch and have not been told yet, with the reason."""

    @property
    def cause(self) -> str:
        """The id of the event that this turn follows from."""
        body = self.message.body
        return str(body.get("cause") or self.message.id) if isinstance(body, dict) else self.message.id

    def emit(self, payload: Payload) -> None:
        """Say something about the incident, after what there is to say about joined alerts."""
        self.flush()
        self._emit(payload)

    def end(self) -> None:
        """Tell of the alerts that joined in this batch: at once, or in a storm when it is time."""
        state = self.state
        if self.attached and state.total > AT_ONCE_MAX and 0 <= self.now - state.told_at < TELL_EVERY:
            first = self.attached[: UNTOLD_MAX - len(state.untold)]
            state.untold += [[one.model_dump(mode="json"), reason] for one, reason in first]
            self.attached = []
            self.wake(TELL_TIMER, state.told_at + TELL_EVERY)
        elif self.attached:
            self.flush()

    def flush(self) -> None:
        """Tell of the alerts that joined, those that waited for it first."""
        waited = [(AttachedAlert.model_validate(one), reason) for one, reason in self.state.untold]
        attached, self.attached, self.state.untold = [*waited, *self.attached], [], []
        if not attached:
            return
        if waited:
            self.wake(TELL_TIMER, None)
        self.state.told_at = self.now
        alerts = [one for one, _ in attached[:CARRIED_MAX]]
        reason = "; ".join(sorted({reason for _, reason in attached}))[:300]
        event = self._event(self._joined(alerts, reason))
        if len(orjson.dumps(event.body["alerts"])) > CARRIED_BYTES:
            event = self._event(self._joined(_that_fit(alerts), reason))
        self.decision.events.append(event)

    def _joined(self, alerts: Sequence[AttachedAlert], reason: str) -> IncidentAlertsAttached:
        return IncidentAlertsAttached(
            alerts=tuple(alerts), total=self.state.total, reason=reason, services=tuple(self.state.services)
        )

    def _emit(self, payload: Payload) -> None:
        self.decision.events.append(self._event(payload))

    def _event(self, payload: Payload) -> Outgoing:
        body = self.message.body
        carried = body.get("traceparent", "") if isinstance(body, dict) else ""
        return payload.outgoing(
            self.state.id,
            environment=self.state.environment,
            causation=self.cause,
            traceparent=self.message.meta.get("traceparent", "") or carried,
        )

    def emit_again(self, event_id: str, type_: str, body: JSON, resend: int) -> None:
        """Send an event out again under the id it had."""
        self.flush()
        event = Outgoing(
            topic="incidents.v1",
            key=self.state.id,
            type=type_,
            body=body,
            environment=self.state.environment,
            correlation=self.state.id,
            causation=self.cause,
            resend=resend,
            id=event_id,
        )
        self.decision.events.append(event)

    def tell_scope(self, type_: str) -> None:
        """Report that the incident was closed or reopened."""
        self.decision.messages.append(
            Local(
                aggregate=f"scope/{self.state.environment}",
                id=f"{self.message.id}>{type_}@{self.state.id}",
                type=type_,
                body={"incident": self.state.id},
            )
        )

    def wake(self, name: str, due: float | None) -> None:
        """Set a timer, or cancel it."""
        self.decision.timers[name] = None if due is None else Timer(due)


def _that_fit(alerts: Sequence[AttachedAlert]) -> Sequence[AttachedAlert]:
    """Return the first alerts, as many as an event carries."""
    sizes = accumulate(len(one.model_dump_json().encode()) for one in alerts)
    return [one for one, size in zip(alerts, sizes, strict=True) if size <= CARRIED_BYTES]


def carried(alert: Alert) -> Alert:
    """Return an alert small enough for an event: text cut, not dropped."""
    if len(alert.description) <= DESCRIPTION_MAX and len(alert.labels) <= LABELS_MAX and not _has_long_label(alert):
        return alert
    labels = dict(list(alert.labels.items())[:LABELS_MAX])
    return alert.model_copy(
        update={
            "description": alert.description[:DESCRIPTION_MAX],
            "labels": {name[:NAME_MAX]: value[:VALUE_MAX] for name, value in labels.items()},
        }
    )


def _has_long_label(alert: Alert) -> bool:
    labels = alert.labels
    return max(map(len, labels), default=0) > NAME_MAX or max(map(len, labels.values()), default=0) > VALUE_MAX
