"""Where an investigation looks, what it makes of what it found, and what it says of what it could not see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.diagnoser.domain.finding_out import Conclusion, snapshot
from services.diagnoser.domain.gaps import blind, gaps_of, with_gaps
from services.diagnoser.domain.gathering import Asked, assemble, entities_near, places_of, series_of, spans
from services.diagnoser.handlers.investigate import redacted
from shared.events.envelope import EVENT_MAX
from shared.events.investigations import CollectorOutcome
from shared.incident.diagnosis import DiagnosticResult, RankedCause
from shared.incident.evidence import Evidence, Finding
from shared.telemetry.redacting import Redactor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOPOLOGY = {
    "entities": [{"id": "shop", "kind": "service"}, {"id": "web-1", "kind": "host"}, {"id": "db", "kind": "database"}],
    "edges": [
        {"src": "shop", "dst": "web-1", "kind": "runs_on"},
        {"src": "agent", "dst": "web-1", "kind": "runs_on"},
        {"src": "shop", "dst": "db", "kind": "calls"},
        {"src": "db", "dst": "disk", "kind": "stored_on"},
        {"src": "disk", "dst": "far", "kind": "in_zone"},
    ],
}


def asked(**more: Any) -> Asked:  # noqa: ANN401 -- fields of the arguments
    given: dict[str, Any] = {
        "investigation_id": "i1",
        "incident_id": "INC-A",
        "environment": "live",
        "services": ("shop",),
        "hosts": ("web-1",),
        "started_at": NOW,
    }
    return Asked(**given | more)


@pytest.mark.parametrize(
    "since_onset, window, apart",
    [
        pytest.param(1, 30, 0, id="at first the last half hour"),
        pytest.param(60, 75, 0, id="later still what was just before the onset"),
        pytest.param(600, 180, 435, id="never more than three hours, and the baseline stays before the incident"),
    ],
)
def test_the_window_holds_the_onset_while_it_can(since_onset: int, window: int, apart: int) -> None:
    now = NOW + timedelta(minutes=since_onset)

    (before, until), (start, end) = spans(now, NOW)

    assert (end - start, until - before, end) == (timedelta(minutes=window), timedelta(hours=6), now)
    assert start - until == timedelta(minutes=apart)
    assert until <= NOW - timedelta(minutes=15)


def test_what_is_near_in_the_topology_is_looked_at_nearest_first() -> None:
    assert entities_near(asked(), TOPOLOGY) == ("shop", "web-1", "agent", "db", "disk")


def test_without_a_topology_the_incident_itself_is_looked_at() -> None:
    alerts = ({"entity": "web-9", "at": 1.0},)
    assert entities_near(asked(alerts=alerts), {}) == ("shop", "web-1", "web-9")


def test_what_is_looked_at_is_bounded() -> None:
    edges = [{"src": "shop", "dst": f"h{number}", "kind": "runs_on"} for number in range(500)]
    assert len(entities_near(asked(), {"edges": edges})) == 60


def test_parts_of_a_case_that_share_a_key_are_merged() -> None:
    case = assemble(asked(), [{"raw": {"hosts": [1]}}, {"raw": {"state": [2]}}, {"changes": [3]}])

    assert (case["schema"], case["raw"], case["changes"]) == ("rca-case/1", {"hosts": [1], "state": [2]}, [3])


@pytest.mark.parametrize(
    "entity, topology, hosts, kind, services",
    [
        pytest.param("web-1", TOPOLOGY, [], "host", ("shop", "agent"), id="a host of the topology, own services first"),
        pytest.param("db", TOPOLOGY, [], "database", (), id="what is neither host nor service"),
        pytest.param("web-7", {}, [{"id": "web-7", "services": ["x"]}], "host", ("x",), id="a host without topology"),
        pytest.param("shop", {}, [], "service", (), id="what only the alert names"),
        pytest.param("mystery", {}, [], "", (), id="what nobody knows"),
    ],
)
def test_the_place_of_a_cause_is_what_is_known_of_it(
    entity: str, topology: dict[str, Any], hosts: list[Any], kind: str, services: tuple[str, ...]
) -> None:
    result = DiagnosticResult(
        status="diagnosed", causes=(RankedCause(entity=entity, cause="c", confidence=1.0, cites=("e",)),)
    )

    places = places_of(result, asked(), {"topology": topology, "raw": {"hosts": hosts}})

    assert (places[entity].kind, places[entity].services) == (kind, services)


OUTCOMES = [
    CollectorOutcome(collector="metrics", outcome="ok"),
    CollectorOutcome(collector="changes", outcome="empty"),
    CollectorOutcome(collector="logs", outcome="timeout", detail="no answer within 20 s"),
    CollectorOutcome(collector="hosts", outcome="gap", detail="none is connected"),
    CollectorOutcome(collector="on-call", outcome="failed", detail="x" * 500),
]


def test_who_could_not_look_is_a_gap_and_who_found_nothing_is_not() -> None:
    gaps = gaps_of(OUTCOMES)

    assert [gap.id for gap in gaps] == ["gap-logs", "gap-hosts", "gap-on-call"]
    assert gaps[0].summary == "No logs: no answer within 20 s"


def test_a_conclusion_names_the_gaps_once() -> None:
    conclusion = Conclusion(result=DiagnosticResult(status="inconclusive", missing=("logs",)))

    twice = with_gaps(with_gaps(conclusion, gaps_of(OUTCOMES)), gaps_of(OUTCOMES))

    assert twice.result.missing == ("logs", "hosts", "on-call")
    assert [item.id for item in twice.evidence] == ["gap-logs", "gap-hosts", "gap-on-call"]


def test_seeing_nothing_is_inconclusive_and_cites_why() -> None:
    conclusion = blind(gaps_of(OUTCOMES))

    assert conclusion.result.status == "inconclusive"
    assert conclusion.result.findings[0].cites == ("gap-logs", "gap-hosts", "gap-on-call")
    assert blind(()).result.findings == ()


def test_what_a_result_cites_stays_in_a_snapshot_that_is_too_small_for_all() -> None:
    evidence = tuple(Evidence(id=f"E{number}", kind="metric", summary="x" * 150) for number in range(300))
    gap = Evidence(id="gap-logs", kind="gap", summary="No logs")
    result = DiagnosticResult(status="inconclusive", findings=(Finding(statement="s", cites=("E299",)),))
    metrics = [
        {
            "id": f"m{number}",
            "entity": "e",
            "name": "n",
            "unit": "",
            "harmful": "up",
            "window_t0": NOW.timestamp(),
            "step_s": 1.0,
            "window": [number + 0.123456789] * 5000,
            "limit": None,
        }
        for number in range(30)
    ]

    event = snapshot("i1", Conclusion(result=result, evidence=(*evidence, gap)), series_of({"metrics": metrics}), ())

    assert [item.id for item in event.evidence[:2]] == ["E299", "gap-logs"]
    assert len(event.series) <= 20
    assert len(event.model_dump_json().encode()) < EVENT_MAX


def test_secrets_go_out_of_every_text_of_a_case_and_numbers_stay() -> None:
    case = {
        "logs": [{"entity": "web-1", "msg": "login failed: password=hunter22 for key AKIAABCDEFGHIJKLMNOP"}],
        "changes": [{"title": "set known-secret", "details": {"api_key": "abc"}}],
        "metrics": [{"name": "n", "window": [1.5, None], "baseline": [2]}],
    }

    clean = redacted(case, Redactor(["known-secret"]))

    assert clean == {
        "logs": [{"entity": "web-1", "msg": "login failed: password=[redacted] for key [redacted]"}],
        "changes": [{"title": "set [redacted]", "details": {"api_key": "[redacted]"}}],
        "metrics": [{"name": "n", "window": [1.5, None], "baseline": [2]}],
    }
