"""What a transition of an incident works with: its state, its message, and the decision that grows."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from services.executor.domain.config import ExecutorConfig
from services.executor.domain.ruling import No, lapsed
from services.executor.domain.state import Case, Vote
from services.executor.domain.work import READ_LEASE
from shared.errors import RefusedError
from shared.events.approvals import ApprovalDecisionRefused
from shared.events.envelope import Outgoing
from shared.events.executions import HandoffRequested
from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.enums import RiskLevel
from shared.runbooks.decision import SignedDecision
from shared.runbooks.plan import Plan
from shared.store.model import Activity, Decision, Local, Message, Row, Timer

KEEP_SECONDS = 86400.0
"""How long answers and rulings are kept, to be given again."""
RESENDS_MAX = 9


@dataclass(slots=True)
class Turn:
    """One message of one incident. Everything it causes goes into `decision`."""

    config: ExecutorConfig
    case: Case
    message: Message
    now: float
    decision: Decision
    rows: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> Plan:
        """The plan of the current approval, from exactly the bytes that were approved."""
        if self.case.approval is None:
            raise LookupError(f"{self.case.incident_id} has no approval")
        return self.case.approval.content()

    @property
    def risk(self) -> RiskLevel:
        """The risk of the current plan; high when its bytes are not those that were asked about."""
        try:
            return self.plan.risk
        except RefusedError:
            return RiskLevel.HIGH

    def emit(self, payload: Payload) -> Outgoing:
        """Add an event."""
        event = payload.outgoing(
            self.case.incident_id,
            environment=self.case.environment,
            causation=self.message.id,
            traceparent=self.message.meta.get("traceparent", "") or self.case.traceparent,
        )
        self.decision.events.append(event)
        return event

    def answer(self, key: str, event: Outgoing, event_id: str, **facts: object) -> None:
        """Keep an event of this turn under an id of its own, so that `again` can give it again."""
        place = self.decision.events.index(event)
        event = self.decision.events[place] = replace(event, id=event_id)
        kept = {one.name: getattr(event, one.name) for one in fields(event)}
        self.keep(key, {**facts, "event": kept, "resends": 0}, self.now + KEEP_SECONDS)

    def again(self, key: str) -> bool:
        """Give an earlier answer again: the same id, the next resend. False when there is none to give."""
        row = self.rows.get(key)
        if row is None or row["resends"] >= RESENDS_MAX:
            return False
        row = {**row, "resends": row["resends"] + 1}
        self.keep(key, row, self.now + KEEP_SECONDS)
        self.decision.events.append(Outgoing(**{**row["event"], "resend": row["resends"]}))
        return True

    def read(self, name: str, activity_id: str, *, not_before: float | None = None, **args: object) -> str:
        """Start a repeatable, read-only activity and return its id."""
        given = {"environment": self.case.environment, "incident_id": self.case.incident_id, **args}
        found = f"{self.case.incident_id}:{activity_id}"
        self.decision.activities.append(Activity(found, name, given, lease=READ_LEASE, not_before=not_before))
        return found

    def timer(self, name: str, after: float | None) -> None:
        """Set a timer `after` seconds from now; None cancels it."""
        self.decision.timers[name] = None if after is None else Timer(self.now + after)

    def timer_at(self, name: str, due: float) -> None:
        """Set a timer at an instant."""
        self.decision.timers[name] = Timer(due)

    def no_timers(self, *names: str) -> None:
        """Cancel timers."""
        for name in names:
            self.timer(name, None)

    def ask_governor(self, kind: str, message_id: str, **body: object) -> str:
        """Send a message to the governor of this environment and return its id."""
        found = f"{self.case.incident_id}:{message_id}"
        given = {"incident": self.case.incident_id, "environment": self.case.environment, **body}
        self.decision.messages.append(Local(f"governor/{self.case.environment}", found, kind, given))
        return found

    def keep(self, key: str, value: object, expires: float | None = None) -> None:
        """Write a row, and see it in later messages of this batch."""
        self.rows[key] = value
        self.decision.rows[key] = Row(value, expires)

    def audit(self, what: str, **facts: object) -> None:
        """Add an entry to the incident's audit chain."""
        self.decision.audit.append({"what": what, **facts})

    def hand_off(self, why: str, detail: str = "") -> None:
        """Ask a person to take over. Names what has not ended; naming nothing means: all of it is over."""
        case = self.case
        approval = case.approval if case.approval is not None and case.approval.is_open else None
        execution = case.running if case.running is not None and case.running.claimed else None
        self.emit(
            HandoffRequested(
                why=why,
                detail=detail[:2000],
                execution_id=execution.id if execution else None,
                approval_id=approval.id if approval else None,
            )
        )
        self.audit("handed_off", why=why)

    def refuse(self, decision: SignedDecision | None, why: str, detail: str = "", actor: Actor | None = None) -> None:
        """Say that a decision does not count."""
        subject, verb = (decision.subject, decision.verb) if decision else ("", "")
        if decision is not None and actor is None:
            actor = Actor(kind="person", id=decision.person)
        self._refused(
            ApprovalDecisionRefused(
                subject=subject, decision_id=self.message.id, verb=verb, why=why, detail=detail, actor=actor
            )
        )

    def lapsed(self, vote: Vote) -> No | None:
        """Return why an approval that was counted counts no more."""
        if self.case.approval is None:
            return None
        config, environment = self.config, self.case.environment
        keys = config.keys_at(self.now)
        return lapsed(vote, self.case.approval, people=config.people, keys=keys, environment=environment)

    def refuse_vote(self, vote: Vote, no: No) -> None:
        """Say that an approval that was counted counts no more."""
        self._refused(
            ApprovalDecisionRefused(
                subject=self.case.approval.id if self.case.approval else "",
                decision_id=vote.decision_id,
                verb="approve",
                why=no.why,
                detail=no.detail,
                actor=Actor(kind="person", id=vote.person, name=vote.name),
            )
        )

    def _refused(self, refused: ApprovalDecisionRefused) -> None:
        self.emit(refused)
        person = refused.actor.id if refused.actor else ""
        self.audit("decision_refused", subject=refused.subject, verb=refused.verb, why=refused.why, person=person)
