from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.incident.diagnosis import DiagnosticResult, RankedCause, first_symptom
from shared.incident.evidence import Evidence, Finding

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
RESULT = DiagnosticResult(
    status="diagnosed",
    causes=(RankedCause(cause="a.b", entity="web-1", confidence=0.8, cites=("M01", "X")),),
    findings=(Finding(statement="errors rise", cites=("M01",)),),
)


@pytest.mark.parametrize(
    "more,minutes",
    [
        pytest.param({"kind": "state"}, -20, id="a fact that began earlier"),
        pytest.param({"kind": "log"}, -20, id="log lines that never came before"),
        pytest.param({"kind": "log", "before": 2.0}, 0, id="but not log lines that came on better days as well"),
        pytest.param({"kind": "change"}, 0, id="nor a change, which is no symptom"),
        pytest.param({"kind": "alert"}, 0, id="nor an alert, which is what noticed one"),
        pytest.param({"kind": "metric", "id": "Y"}, 0, id="nor what nothing cites"),
        pytest.param({"kind": "metric", "start": None}, 0, id="nor what says nothing of its beginning"),
    ],
)
def test_the_first_symptom_is_the_earliest_of(more: dict[str, Any], minutes: float) -> None:
    measured = Evidence(id="M01", kind="metric", summary="errors rise", start=AT)
    other = Evidence.model_validate({"id": "X", "summary": "x", "start": AT - timedelta(minutes=20), **more})
    assert first_symptom(RESULT, (other, measured)) == AT + timedelta(minutes=minutes)


def test_without_evidence_nobody_knows_when_it_began() -> None:
    assert first_symptom(RESULT, ()) is None
