"""What a transition of an incident works with: its state, its message, and the decision that grows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from services.executor.domain.config import ExecutorConfig
from services.executor.domain.state import Case
from shared.events.approvals import ApprovalDecisionRefused
from shared.events.envelope import Outgoing
from shared.events.executions import HandoffRequested
from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.store.model import Activity, Decision, Local, Message, Row, Timer


@dataclass(slots=True)
class Turn:
    """One message of one incident. Everything it causes goes into `decision`."""

    config: ExecutorConfig
    case: Case
    message: Message
    now: float
    decision: Decision
    rows: dict[str, Any] = field(default_factory=dict)

    def emit(self, payload: Payload, *, event_id: str = "") -> Outgoing:
        """Add an event; `event_id` only for one that may be sent again."""
        event = payload.outgoing(
            self.case.incident_id,
            environment=self.case.environment,
            causation=self.message.id,
            traceparent=self.message.meta.get("traceparent", ""),
        )
        if event_id:
            event = Outgoing(**{name: getattr(event, name) for name in Outgoing.__slots__} | {"id": event_id})
        self.decision.events.append(event)
        return event

    def work(self, activity: Activity) -> None:
        """Start an activity."""
        self.decision.activities.append(activity)

    def read(self, name: str, activity_id: str, **args: object) -> None:
        """Start a repeatable, read-only activity."""
        given = {"environment": self.case.environment, "incident_id": self.case.incident_id, **args}
        self.work(Activity(id=f"{self.case.incident_id}:{activity_id}", name=name, args=given, lease=90.0))

    def timer(self, name: str, after: float | None, body: object = None) -> None:
        """Set a timer `after` seconds from now; None cancels it."""
        self.decision.timers[name] = None if after is None else Timer(self.now + after, body)

    def timer_at(self, name: str, due: float, body: object = None) -> None:
        """Set a timer at an instant."""
        self.decision.timers[name] = Timer(due, body)

    def ask_governor(self, kind: str, message_id: str, **body: object) -> None:
        """Send a message to the governor of this environment."""
        governor = f"governor/{self.case.environment}"
        given = {"incident": self.case.incident_id, "environment": self.case.environment, **body}
        self.decision.messages.append(Local(governor, f"{self.case.incident_id}:{message_id}", kind, given))

    def keep(self, key: str, value: object, expires: float | None = None) -> None:
        """Write a row, and see it in later messages of this batch."""
        self.rows[key] = value
        self.decision.rows[key] = Row(value, expires)

    def audit(self, what: str, **facts: object) -> None:
        """Add an entry to the incident's audit chain."""
        self.decision.audit.append({"what": what, **facts})

    def hand_off(self, why: str, detail: str = "") -> None:
        """Ask a person to take over."""
        execution, approval = self.case.execution, self.case.approval
        self.emit(
            HandoffRequested(
                why=why,
                detail=detail,
                execution_id=execution.id if execution else None,
                approval_id=approval.id if approval else None,
            )
        )

    def refuse(self, subject: str, verb: str, why: str, detail: str = "", actor: Actor | None = None) -> dict[str, Any]:
        """Say that a decision does not count; return the ruling for its nonce."""
        body = ApprovalDecisionRefused(
            subject=subject, decision_id=self.message.id, verb=verb, why=why, detail=detail, actor=actor
        )
        self.emit(body)
        self.audit("decision_refused", subject=subject, verb=verb, why=why, person=actor.id if actor else "")
        return body.model_dump(mode="json")
