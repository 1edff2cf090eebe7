"""One incident as diagnoser and executor tell it: the story that the tests of the notifier start from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.events.approvals import ApprovalGranted, ApprovalRequested, Clause, SignedWords
from shared.events.executions import (
    ExecutionFinished,
    ExecutionStarted,
    StepStarted,
    StepSucceeded,
    VerificationPassed,
)
from shared.events.incidents import IncidentClosed, IncidentOpened
from shared.events.investigations import (
    DiagnosisConcluded,
    EvidenceGathered,
    InvestigationStarted,
    RecommendationMade,
    SummarySentence,
    SummaryWritten,
)
from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.alert import Alert, fingerprint
from shared.incident.diagnosis import (
    ActionRecommendation,
    Contraindication,
    DiagnosticResult,
    ManualStep,
    RankedCause,
    RecommendationSet,
)
from shared.incident.enums import ApprovalPolicyType, IncidentCategory, RiskLevel, Severity
from shared.incident.evidence import Evidence, Finding, LogTemplate, LookAlike, MetricTimeSeries
from shared.incident.incident import VerificationResult
from shared.runbooks.decision import SignedDecision, sign
from shared.runbooks.plan import Plan, PlannedClause, PlannedStep, PlannedVerify, digest
from shared.runtime.secrets import new_key, private_key
from tests.unit.notifier.clock import T0

INCIDENT = "INC-ABCDEFGH23"
RUN = "sim:night-shift-1a212dd423e"
PEM = new_key()
"""The notifier's key in these stories, under the name `test`."""
APPROVAL = "apr-1"
EXECUTION = "exe-1"
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">'
APPROVER = Actor(kind="person", id="sample-approver", name="SAMPLE approver")


def opened(title: str = "CPU high on web-3", link: str | None = None) -> IncidentOpened:
    """The first event."""
    alert = Alert(
        fingerprint=fingerprint("datadog", "1"),
        source="datadog",
        source_key="1",
        title=title,
        services=("shop",),
        link=link,
        occurred_at=T0,
    )
    return IncidentOpened(
        title=title, severity=Severity.SEV2, services=("shop",), started_at=T0, message_id="r1", alert=alert
    )


def gathered() -> EvidenceGathered:
    """Evidence with a series and log shapes."""
    values = tuple(40.0 + index for index in range(50))
    return EvidenceGathered(
        investigation_id="inv-1",
        evidence=(
            Evidence(id="e1", kind="metric", entity="web-3", summary="memory rose from 40 % to 89 %", series_id="s1"),
            Evidence(id="e2", kind="change", entity="shop", summary="shop v2 was deployed 20 min before"),
        ),
        series=(
            MetricTimeSeries(
                id="s1", entity="web-3", name="memory.used", unit="%", start=T0, step_seconds=60, values=values
            ),
        ),
        logs=(LogTemplate(template="GC pause <n> ms", count=120, baseline_count=3),),
        look_alikes=(
            LookAlike(
                id="history-INC-BBBBBBBBBB",
                incident_id="INC-BBBBBBBBBB",
                title="Memory of web-1 was high",
                cause="resource_leak.memory",
                verdict="right",
                closed_at=T0,
                likeness=0.72,
                only_now=("change: deploy",),
                only_then=("log: out of memory",),
            ),
        ),
    )


def concluded() -> DiagnosisConcluded:
    """A diagnosis that cites the evidence."""
    result = DiagnosticResult(
        status="diagnosed",
        category=IncidentCategory.RESOURCE_LEAK,
        statement="Memory leak after the deploy of shop v2",
        confidence=0.87,
        causes=(
            RankedCause(
                entity="web-3",
                cause="resource_leak.memory_after_deploy",
                title="Memory of web-3 leaks since shop v2",
                confidence=0.87,
                cites=("e1",),
                steps=(
                    ManualStep(
                        do="Take shop v2 back",
                        risk=RiskLevel.MEDIUM,
                        reversible=True,
                        verify="memory of web-3 stays level",
                    ),
                ),
                never=(Contraindication(verbs=("host/add-swap*",), why="what leaks fills that too"),),
            ),
        ),
        findings=(Finding(statement="Memory of web-3 rose from 40 % to 89 %", cites=("e1",)),),
        ruled_out=(Finding(statement="Traffic did not change", cites=("e2",)),),
        contradictions=(Finding(statement="GC pauses are short", cites=("e1",)),),
        unexplained=(Finding(statement="The queue grows", cites=("e2",)),),
        missing=("swap of web-3",),
        confidence_from=("two channels agree", "capped at 87 %"),
    )
    return DiagnosisConcluded(investigation_id="inv-1", result=result, changed=("confidence 60 % → 87 %",))


def recommended() -> RecommendationMade:
    """The runbook that answers it."""
    item = ActionRecommendation(
        runbook_id="restart",
        runbook_sha256="0" * 64,
        title="Restart the leaking process",
        cause="resource_leak.memory_after_deploy",
        entity="web-3",
        confidence=0.87,
        verification="memory of web-3 falls",
        integrations=("host",),
    )
    second = item.model_copy(
        update={
            "runbook_id": "roll-back",
            "title": "Roll shop back",
            "integrations": ("deployment",),
            "behind": "its risk is high, that of restart is medium",
        }
    )
    return RecommendationMade(
        recommendation_id="rec-1", investigation_id="inv-1", recommendations=RecommendationSet(items=(item, second))
    )


def plan(incident: str = INCIDENT, environment: str = RUN) -> Plan:
    """One step that cannot be undone."""
    step = PlannedStep(
        id="restart",
        name="Restart shop on web-3",
        uses="host/restart-process@v1",
        target="web-3",
        arguments={"pid": 4711},
        risk="medium",
        reversible=False,
        impact="shop on web-3 is away for about 20 s",
        timeout_seconds=60,
        settle_seconds=30,
    )
    verify = PlannedVerify(
        name="memory of web-3 falls",
        metric="memory.used",
        entity="web-3",
        condition="value < 70.0",
        for_seconds=60,
        within_seconds=600,
        interval_seconds=30,
        max_attempts=40,
        backoff_percent=100,
    )
    return Plan(
        environment=environment,
        incident_id=incident,
        runbook_id="restart",
        runbook_sha256="0" * 64,
        title="Restart shop on web-3",
        inputs={"host": "web-3"},
        gather=(),
        preconditions=(PlannedClause(when="true", text="memory of web-3 is over 80 %"),),
        steps=(step,),
        verify=verify,
        deadline_seconds=3600,
    )


def asked(
    *,
    expires_in: float = 1800.0,
    needed: int = 1,
    title: str = "Restart shop on web-3",
    now: datetime | None = None,
    approval_id: str = APPROVAL,
    text: str = "",
    environment: str = RUN,
) -> ApprovalRequested:
    """The question."""
    made = plan(environment=environment)
    return ApprovalRequested(
        approval_id=approval_id,
        recommendation_id="rec-1",
        runbook_id="restart",
        title=title,
        plan=text or made.text(),
        plan_sha256=digest(made.text()),
        policy=ApprovalPolicyType.REQUIRE_ONE if needed == 1 else ApprovalPolicyType.REQUIRE_TWO,
        needed=needed,
        risk=RiskLevel.MEDIUM,
        reversible=False,
        impact="shop on web-3 is away for about 20 s",
        why=("This runbook answered the same cause before.",),
        clauses=(Clause(text="memory of web-3 is over 80 %", holds=True, value="89 %"),),
        expected_effect="memory of web-3 falls below 70 %",
        confidence=0.87,
        expires_at=(now or datetime.now(UTC)) + timedelta(seconds=expires_in),
    )


def until_asked() -> list[Payload]:
    """Everything up to the question."""
    return [
        opened(),
        InvestigationStarted(investigation_id="inv-1", reason="opened"),
        gathered(),
        concluded(),
        recommended(),
        asked(),
    ]


def signed(verb: str = "approve", person: str = APPROVER.id, approval_id: str = APPROVAL) -> tuple[SignedWords, ...]:
    """What a person signed, as a ruling on it holds it."""
    words = SignedDecision.model_validate(
        {
            "kid": "test",
            "environment": RUN,
            "incident_id": INCIDENT,
            "subject": approval_id,
            "plan_sha256": digest(plan().text()),
            "verb": verb,
            "person": person,
            "via": "page:local",
            "authenticated_at": T0,
            "nonce": "0" * 32,
            "time": T0,
        }
    )
    text, signature = sign(words, private_key(PEM))
    return (SignedWords(decision=text, signature=signature),)


def granted(decision_id: str = "") -> ApprovalGranted:
    """The ruling: yes."""
    return ApprovalGranted(
        approval_id=APPROVAL,
        plan_sha256=digest(plan().text()),
        actors=(APPROVER,),
        via="page:local",
        decision_id=decision_id,
        signed=signed(),
    )


def executed() -> list[Payload]:
    """From the claim to the end."""
    step = {"execution_id": EXECUTION, "step_id": "restart", "name": "Restart shop on web-3"}
    return [
        ExecutionStarted(
            execution_id=EXECUTION,
            approval_id=APPROVAL,
            plan_sha256=digest(plan().text()),
            steps=plan().actions(),
        ),
        StepStarted.model_validate({**step, "uses": "host/restart-process@v1", "target": "web-3", "token": "tok"}),
        StepSucceeded.model_validate({**step, "detail": "new pid 4712"}),
        ExecutionFinished(execution_id=EXECUTION, outcome="succeeded"),
        VerificationPassed(
            execution_id=EXECUTION,
            result=VerificationResult(
                outcome="passed", check="memory", condition="value < 70.0", observed=("89 %", "41 %"), reads=2
            ),
        ),
        IncidentClosed(reason="resolved"),
        SummaryWritten(sentences=(SummarySentence(text="It leaked memory and was restarted.", cites=("t1",)),)),
    ]
