"""One incident whose own events come back, told message by message."""

from __future__ import annotations

from itertools import count
from typing import Any

from services.diagnoser.domain.config import Config
from services.diagnoser.handlers.incident import Incident
from shared.events.investigations import CollectorOutcome, EvidenceGathered
from shared.events.people import IncidentRequested
from shared.incident.actor import Actor
from shared.incident.alert import Alert
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.enums import IncidentCategory, RiskLevel
from shared.runbooks.model import Input, Match, Runbook, Step, Verify
from shared.store.model import ACTIVITY_DONE, Decision
from tests.unit.diagnoser.aggregates import Aggregate, message
from tests.unit.diagnoser.alerts import alert, time

INCIDENT = "INC-AAAAAAAAAA"
PERSON = Actor(kind="person", id="pat", name="Pat")
CAUSE = "resource_leak.memory"


def runbook(name: str = "restart", sha256: str = "1" * 64) -> Runbook:
    return Runbook(
        id=name,
        title="Restart it",
        description="",
        owner="ops",
        match=Match(causes=(CAUSE,)),
        inputs={"host": Input.model_validate({"type": "host", "from": "cause.entity"})},
        actions=(
            Step(id="a", name="a", uses="x/y@v1", target="t", risk=RiskLevel.LOW, reversible=False, impact="short"),
        ),
        verify=Verify(name="v", metric="m", entity="e", condition="value < 1"),
        expected_effect="memory falls",
        sha256=sha256,
    )


class Story:
    """An incident whose own events come back from the topic, as in production."""

    def __init__(self, environment: str = "sim:t", config: Config | None = None) -> None:
        books = {"restart": runbook()}
        self.environment = environment
        self.aggregate = Aggregate(Incident(), config or Config(runbooks=books))
        self.types: list[str] = []
        """What was said, in order; copies that were sent again say nothing new."""
        self.events: list[tuple[str, Any]] = []
        self._ids = count(1)
        self._messages = count(1)

    def tell(self, type_: str, body: Any, message_id: str = "", **meta: str) -> Decision:  # noqa: ANN401 -- any JSON
        """Give one message and let what it emits come back."""
        found = message_id or f"m{next(self._messages)}"
        given = message(found, type_, body, environment=self.environment, **meta)
        return self._back(self.aggregate.give(given))

    def wait(self, seconds: float) -> Decision:
        return self._back(self.aggregate.wait(seconds))

    def _back(self, decision: Decision) -> Decision:
        first = decision
        while decision.events:
            batch = []
            for event in decision.events:
                event_id = event.id or f"diagnoser/{next(self._ids)}"
                self.events.append((event_id, event))
                meta = {"time": time(len(self.events)).isoformat(), "source": "signoff/diagnoser"}
                if event.resend:
                    meta["resend"] = str(event.resend)
                else:
                    self.types.append(event.type)
                batch.append(message(event_id, event.type, event.body, environment=self.environment, **meta))
            decision = self.aggregate.give(*batch)
        return first

    def executor(self, type_: str, **body: Any) -> Decision:  # noqa: ANN401 -- fields of an event
        return self.tell(type_, body, source="signoff/executor", time=time(500).isoformat())

    def open(self, of: Alert | None = None) -> Decision:
        body = {
            "incident": INCIDENT,
            "environment": self.environment,
            "message_id": "r1",
            "alert": (of or alert()).model_dump(mode="json"),
            "reason": "no open incident fits",
        }
        return self.tell("open", body)

    def attach(self, of: Alert, reason: str = "same_service: shop") -> Decision:
        joining = {"message_id": "r2", "alert": of.model_dump(mode="json"), "reason": reason}
        return self.tell("attach", {"alerts": [joining]})

    def recover(self, of: Alert | None = None) -> Decision:
        return self.tell("recovered", {"fingerprint": (of or alert()).fingerprint, "at": time(90).timestamp()})

    def ask(self, verb: str, **arguments: str) -> Decision:
        request = IncidentRequested.model_validate(
            {"request_id": "q", "actor": PERSON, "incident_id": INCIDENT, "verb": verb, "arguments": arguments}
        )
        return self.tell(IncidentRequested.type, request.model_dump(mode="json"))

    def conclude(
        self,
        status: str = "diagnosed",
        entity: str = "host-1",
        confidence: float = 0.9,
        affected: tuple[str, ...] = (),
        collectors: tuple[CollectorOutcome, ...] = (),
    ) -> Decision:
        """Deliver the result of the investigation that runs."""
        investigation = self.state["investigating"]
        causes = (RankedCause(entity=entity, cause=CAUSE, confidence=confidence, cites=("M01",)),)
        result = DiagnosticResult.model_validate(
            {
                "status": status,
                "category": IncidentCategory.RESOURCE_LEAK if status == "diagnosed" else IncidentCategory.UNKNOWN,
                "statement": "memory leaks",
                "confidence": confidence,
                "affected": affected,
                "causes": causes if status == "diagnosed" else (),
            }
        )
        gathered = EvidenceGathered(investigation_id=investigation, collectors=collectors)
        found = {
            "result": result.model_dump(mode="json"),
            "gathered": gathered.model_dump(mode="json"),
            "places": {entity: {"kind": "host", "services": ["shop"]}},
        }
        return self.tell(ACTIVITY_DONE, {"id": investigation, "name": "investigate", "result": found})

    @property
    def state(self) -> Any:  # noqa: ANN401 -- JSON
        return self.aggregate.state

    def body(self, type_: str) -> Any:  # noqa: ANN401 -- JSON
        return next(event.body for _, event in reversed(self.events) if event.type == type_)


def recommended(story: Story) -> str:
    story.open()
    story.conclude()
    return str(story.body("recommendation.made")["recommendation_id"])


def executed(story: Story) -> None:
    """The executor plans, is allowed to, does it."""
    recommendation = recommended(story)
    story.executor("approval.requested", approval_id="a1", recommendation_id=recommendation, title="Restart it")
    story.executor("approval.granted", approval_id="a1", actors=[PERSON.model_dump()])
    story.executor("execution.started", approval_id="a1", execution_id="e1", steps=[])
    story.executor("step.succeeded", execution_id="e1", step_id="a", name="Restart")
    story.executor("execution.finished", execution_id="e1", outcome="succeeded")
