from __future__ import annotations

import pytest

from shared.events.registry import EVENTS
from shared.lifecycle.timeline import SENTENCES, UNTOLD, Told, timeline


def told(event_id: str, event_type: str, source: str = "signoff/executor", **body: object) -> Told:
    return Told(event_id, event_type, "2026-11-24T03:00:00Z", source, body, "cause-1")


def test_every_event_about_an_incident_has_a_sentence_or_a_reason_to_have_none() -> None:
    incident_events = {name for name, payload in EVENTS.items() if payload.topic == "incidents.v1"}
    assert set(SENTENCES) | set(UNTOLD) == incident_events
    assert not set(SENTENCES) & set(UNTOLD)


def test_an_executed_step_is_exactly_one_entry() -> None:
    steps = [
        told("e1", "step.started", execution_id="x", step_id="restart", uses="a@v1", target="h", token="t"),
        told("e2", "step.succeeded", execution_id="x", step_id="restart", name="Restart"),
    ]
    assert [(entry.id, entry.text) for entry in timeline(steps)] == [("e2", "Step Restart done")]


def test_a_step_says_once_that_it_is_done() -> None:
    step = {"execution_id": "x", "step_id": "restart", "name": "Restart"}
    told_of = [
        told("e1", "step.succeeded", **step, detail="done"),
        told("e2", "step.succeeded", **step, detail="pid 7"),
    ]
    assert [entry.text for entry in timeline(told_of)] == ["Step Restart done", "Step Restart done: pid 7"]


def test_an_entry_has_actor_instant_and_causing_event() -> None:
    ann = {"kind": "person", "id": "ann", "name": "Ann"}
    [entry] = timeline([told("e1", "approval.granted", approval_id="a", actors=[ann], via="page", decision_id="d")])
    assert (entry.actor.label, entry.at.isoformat(), entry.caused_by) == ("Ann", "2026-11-24T03:00:00+00:00", "cause-1")
    assert entry.text == "Approved by Ann"


def test_what_nobody_did_by_hand_is_told_of_the_service() -> None:
    [entry] = timeline([told("e1", "incident.closed", "signoff/diagnoser", reason="resolved")])
    assert (entry.actor.kind, entry.actor.id) == ("automation", "diagnoser")


def test_a_resend_adds_no_second_entry() -> None:
    twice = [told("e1", "incident.closed", reason="resolved")] * 2
    assert len(timeline(twice)) == 1


def test_a_body_that_lacks_what_its_sentence_needs_still_gets_a_line() -> None:
    [entry] = timeline([told("e1", "verification.passed")])
    assert entry.text == "verification.passed"


def test_a_verdict_whose_text_is_no_text_still_gets_a_line() -> None:
    [entry] = timeline([told("e1", "incident.noted", "signoff/diagnoser", text=[None], verdict="right")])
    assert entry.text == "[None]"


@pytest.mark.parametrize(
    "name,body,text",
    [
        pytest.param(
            "incident.classified", {"category": "resource_leak"}, "Classified as resource leak", id="category"
        ),
        pytest.param("plan.refused", {"why": "no_actuator"}, "No plan: no actuator", id="no plan"),
        pytest.param(
            "handoff.requested",
            {"why": "verification_failed", "detail": "last read 97 %"},
            "A person must take over: verification failed: last read 97 %",
            id="why a person must take over",
        ),
        pytest.param(
            "verification.failed",
            {"result": {"check": "Memory stays below 70 %", "condition": "value < 70.0", "observed": ["71 %", "97 %"]}},
            "Verification failed: Memory stays below 70 % (last read 97 %)",
            id="what was checked, not how",
        ),
    ],
)
def test_people_read_words_and_no_codes(name: str, body: dict[str, object], text: str) -> None:
    [entry] = timeline([told("e1", name, "signoff/executor", **body)])
    assert entry.text == text


def test_an_event_of_a_newer_version_is_left_out() -> None:
    assert timeline([told("e1", "incident.levitated")]) == []
