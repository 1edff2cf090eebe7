from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import Asked
from services.diagnoser.domain.likeness import Past, likeness, look_alikes, signs_of, with_history
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.evidence import Evidence, LogTemplate
from tests.unit.diagnoser.alerts import time

ALERT, LOG, LATENCY, KIND = "alert: latency", "log: pool timeout", "channel: latency up", "kind: service"
SIGNS = (ALERT, LATENCY, KIND, LOG)


@pytest.mark.parametrize(
    "one, other, like",
    [
        pytest.param(SIGNS, SIGNS, 1.0, id="the same"),
        pytest.param(SIGNS, (), 0.0, id="nothing in common"),
        pytest.param((), (), 0.0, id="nothing to compare"),
        pytest.param(SIGNS, (ALERT, LATENCY, KIND), 0.75, id="all but a log shape: 6 of 8"),
        pytest.param(SIGNS, (KIND,), 0.125, id="only the kind of place: 1 of 8"),
        pytest.param((ALERT,), ("alert: cpu",), 0.0, id="another alert"),
    ],
)
def test_two_incidents_are_as_alike_as_the_signs_they_share(one: Any, other: Any, like: float) -> None:  # noqa: ANN401 -- signs
    assert likeness(one, other) == like


@given(st.sets(st.sampled_from(SIGNS)), st.sets(st.sampled_from(SIGNS)))
def test_likeness_has_no_direction_and_bounds(one: set[str], other: set[str]) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0.0 <= likeness(one, other) <= 1.0


def past(number: int, *signs: str, cause: str = "db.pool", verdict: str = "", day: int = 0) -> Past:
    return Past(f"INC-{number}", "slow", cause, verdict, time(day * 86_400), tuple(signs))


def test_the_three_most_alike_are_shown_the_newest_first_among_equals_with_what_differs() -> None:
    known = [
        past(1, *SIGNS, day=1),
        past(2, *SIGNS, day=2),
        past(3, KIND),
        past(4, ALERT, LATENCY, KIND, "change: deploy"),
        past(5, ALERT, LOG),
        past(6, *SIGNS, "log: other"),
    ]

    found = look_alikes(SIGNS, known)

    assert [one.incident_id for one in found] == ["INC-2", "INC-1", "INC-6"]
    assert (found[2].only_now, found[2].only_then) == ((), ("log: other",))
    assert found[0].alike == (ALERT, LATENCY, LOG, KIND)


def asked(**more: Any) -> Asked:  # noqa: ANN401 -- fields of the arguments
    alerts = [{"id": "a", "metric": "latency", "title": "x", "at": 0.0, "entity": "shop"}]
    given = {"investigation_id": "i", "incident_id": "INC-9", "environment": "live", "started_at": time(0)}
    return Asked.model_validate({**given, "services": ["shop"], "alerts": alerts, **more})


def seen(*evidence: Evidence, logs: tuple[LogTemplate, ...] = (), causes: tuple[RankedCause, ...] = ()) -> Conclusion:
    result = DiagnosticResult(status="diagnosed", causes=causes)
    return Conclusion(result=result, evidence=evidence, logs=logs)


def test_signs_name_what_was_seen_and_not_where() -> None:
    conclusion = seen(
        Evidence(id="M1", kind="metric", entity="shop", channel="latency", direction="up", summary="s"),
        Evidence(id="M2", kind="metric", entity="shop", channel="cpu", direction="up", active_now=False, summary="s"),
        Evidence(id="C1", kind="change", entity="shop", channel="deploy", summary="s"),
        logs=(
            LogTemplate(template="pool timeout", entity="shop", level="error", count=9, baseline_count=0),
            LogTemplate(template="as ever", entity="shop", level="error", count=9, baseline_count=8),
            LogTemplate(template="chatter", entity="shop", level="info", count=99, baseline_count=0),
        ),
    )
    case = {"topology": {"entities": [{"id": "shop", "kind": "queue"}]}}

    assert signs_of(asked(), case, conclusion) == (
        "alert: latency",
        "change: deploy",
        "channel: latency up",
        "kind: queue",
        "log: pool timeout",
    )


def test_an_alert_without_a_metric_is_known_by_its_title_without_names_and_numbers() -> None:
    titled = asked(alerts=[{"title": "Pool of shop at 97 %", "metric": None}])

    assert "alert: pool of <place> at <n> %" in signs_of(titled, {}, seen())


CAUSE = RankedCause(entity="shop", cause="db.pool", confidence=0.7, cites=("M1",))
OTHER = RankedCause(entity="shop", cause="db.slow", confidence=0.2, cites=("M2",))


@pytest.mark.parametrize(
    "before, cites",
    [
        pytest.param(past(1, *SIGNS), [("M1", "history-INC-1"), ("M2",)], id="the cause it had"),
        pytest.param(
            past(1, *SIGNS, cause="db.slow"), [("M1",), ("M2", "history-INC-1")], id="the cause a person said"
        ),
        pytest.param(past(1, *SIGNS, cause="", verdict="wrong"), [("M1",), ("M2",)], id="nothing when it was wrong"),
        pytest.param(past(1, *SIGNS, cause="net.dns"), [("M1",), ("M2",)], id="nothing when it was something else"),
    ],
)
def test_a_look_alike_supports_and_never_carries(before: Past, cites: list[tuple[str, ...]]) -> None:
    found = with_history(seen(causes=(CAUSE, OTHER)), look_alikes(SIGNS, [before]))

    assert [cause.cites for cause in found.result.causes] == cites
    assert [cause.confidence for cause in found.result.causes] == [0.7, 0.2]
    [item] = found.evidence
    assert (item.id, item.kind, item.active_now) == ("history-INC-1", "history", False)
    assert found.result.findings[-1].cites == ("history-INC-1",)


def test_without_a_look_alike_nothing_is_added() -> None:
    conclusion = seen(causes=(CAUSE,))

    assert with_history(conclusion, look_alikes(SIGNS, [past(1, KIND)])) == conclusion
