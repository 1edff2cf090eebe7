from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.incident.actor import Actor
from shared.incident.alert import Alert, fingerprint
from shared.incident.diagnosis import ActionRecommendation, DiagnosticResult, RankedCause, RecommendationSet
from shared.incident.enums import (
    ActionStatus,
    AlertStatus,
    ApprovalPolicyType,
    IncidentCategory,
    IntegrationMode,
    RiskLevel,
    Severity,
    Stage,
)
from shared.incident.evidence import Evidence, Finding, MetricTimeSeries
from shared.incident.incident import Action, Incident, TimelineEntry, VerificationResult
from shared.incident.model import IncidentId, is_simulated

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
ANN = Actor(kind="person", id="ann", name="Ann")
ALERT = Alert(fingerprint=fingerprint("datadog", "m1"), source="datadog", source_key="m1", title="CPU", occurred_at=AT)
FINDING = Finding(statement="memory rises", cites=("ev-1",))
RECOMMENDATION = ActionRecommendation(
    runbook_id="restart", runbook_sha256="0" * 64, title="Restart", cause="resource_leak.memory", entity="h1"
)

EXAMPLES: list[BaseModel] = [
    ALERT,
    FINDING,
    ANN,
    RECOMMENDATION,
    Incident(id=IncidentId("INC-ABCDEFGHIJ"), title="t", environment="live", opened_at=AT),
    Action(id="s1", name="Restart", uses="host/restart-process@v1", target="h1", arguments={"pid": 4, "hard": True}),
    Evidence(id="ev-1", kind="metric", summary="memory rises"),
    MetricTimeSeries(id="m", entity="h1", name="cpu", start=AT, step_seconds=10, values=(1.0, None)),
    DiagnosticResult(status="inconclusive", missing=("memory",)),
    RecommendationSet(items=(RECOMMENDATION,)),
    TimelineEntry(id="e", type="incident.opened", at=AT, actor=ANN, text="opened"),
    VerificationResult(outcome="unknown", check="memory", condition="value < 80"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_model_survives_json_unchanged(example: BaseModel) -> None:
    assert type(example).model_validate_json(example.model_dump_json()) == example


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_a_model_is_frozen(example: BaseModel) -> None:
    with pytest.raises(ValidationError):
        setattr(example, next(iter(type(example).model_fields)), "other")


@pytest.mark.parametrize(
    "model, values",
    [
        (Finding, {"statement": "nobody saw it", "cites": []}),
        (RankedCause, {"entity": "h", "cause": "c", "confidence": 0.5, "cites": []}),
        (RankedCause, {"entity": "h", "cause": "c", "confidence": 1.01, "cites": ["ev-1"]}),
        (Evidence, {"id": "e", "kind": "rumour", "summary": "s"}),
        (Evidence, {"id": "e", "kind": "metric", "summary": "s" * 161}),
        (MetricTimeSeries, {"id": "m", "entity": "h", "name": "n", "start": AT, "step_seconds": 0}),
        (
            MetricTimeSeries,
            {"id": "m", "entity": "h", "name": "n", "start": AT.replace(tzinfo=None), "step_seconds": 1},
        ),
        (Incident, {"id": "INC-1", "title": "t", "environment": "staging", "opened_at": AT}),
        (Incident, {"id": "INC-1", "title": "t", "environment": "sim:UPPER", "opened_at": AT}),
        (VerificationResult, {"outcome": "probably", "check": "c", "condition": "x"}),
        (TimelineEntry, {"id": "e", "type": "t", "at": "yesterday", "actor": ANN, "text": "x"}),
        (Alert, {**ALERT.model_dump(), "title": "t" * 501}),
    ],
)
def test_a_model_refuses_what_cannot_be_true(model: type[BaseModel], values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(values)


def test_defaults_are_the_careful_ones() -> None:
    assert (ALERT.status, ALERT.severity, ALERT.is_test) == (AlertStatus.FIRING, Severity.SEV3, False)
    assert (RECOMMENDATION.risk, RECOMMENDATION.reversible, RECOMMENDATION.confidence) == (RiskLevel.MEDIUM, False, 0.0)
    assert DiagnosticResult(status="inconclusive").category is IncidentCategory.UNKNOWN
    assert EXAMPLES[5].status is ActionStatus.PENDING  # type: ignore[attr-defined]  # the sixth example is an Action


def test_a_fingerprint_never_changes_its_format() -> None:
    assert fingerprint("datadog", "m1") == "f538ca7b54c2de13250e24f4e61b93e0"
    assert fingerprint("a", "bc") != fingerprint("ab", "c")


@pytest.mark.parametrize(
    "enum, values",
    [
        (Severity, "sev1 sev2 sev3 sev4"),
        (AlertStatus, "firing recovered"),
        (RiskLevel, "none low medium high"),
        (ApprovalPolicyType, "auto require_one require_two forbid"),
        (IntegrationMode, "live mock off"),
    ],
)
def test_the_words_on_the_wire_are_frozen(enum: type[StrEnum], values: str) -> None:
    assert [member.value for member in enum] == values.split()


def test_severity_and_risk_have_an_order() -> None:
    assert Severity.SEV1.rank < Severity.SEV4.rank
    assert RiskLevel.NONE.rank < RiskLevel.HIGH.rank
    assert Stage("awaiting_approval") is Stage.AWAITING_APPROVAL


def test_only_sim_environments_are_simulated() -> None:
    assert is_simulated("sim:a")
    assert not is_simulated("live")
