"""What ingest makes of PagerDuty bodies: a sentence a row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.parsed import AlertFound, NotAnAlert, Unreadable
from services.ingest.sources.pagerduty import parse

RECEIVED = datetime(2026, 11, 24, 3, tzinfo=UTC)


def body(event_type: str = "incident.triggered", status: str = "triggered", **data: object) -> dict[str, Any]:
    incident = {
        "id": "Q1",
        "type": "incident",
        "status": status,
        "title": "p95 is high",
        "html_url": "https://example.pagerduty.com/incidents/Q1",
        "service": {"id": "P1", "type": "service_reference", "summary": "shop"},
        "priority": {"summary": "P1"},
        "urgency": "high",
        "resolve_reason": None,
    }
    return {
        "event": {
            "id": "01A",
            "event_type": event_type,
            "resource_type": "incident",
            "occurred_at": "2026-11-24T02:59:30.781Z",
            "data": incident | data,
        }
    }


def judge(fields: object, **headers: str) -> AlertFound | NotAnAlert | Unreadable:
    [message] = parse(json.dumps(fields).encode(), headers, RECEIVED)
    return message


@pytest.mark.parametrize(
    "event_type, status, expected",
    [
        ("incident.triggered", "triggered", "firing"),
        ("incident.acknowledged", "acknowledged", "firing"),
        ("incident.unacknowledged", "triggered", "firing"),
        ("incident.escalated", "triggered", "firing"),
        ("incident.delegated", "acknowledged", "firing"),
        ("incident.reassigned", "triggered", "firing"),
        ("incident.priority_updated", "triggered", "firing"),
        ("incident.service_updated", "triggered", "firing"),
        ("incident.incident_type.changed", "triggered", "firing"),
        ("incident.reopened", "triggered", "firing"),
        ("incident.resolved", "resolved", "recovered"),
        ("incident.of_the_future", "triggered", "firing"),
    ],
)
def test_an_event_about_an_incident_is_a_sighting(event_type: str, status: str, expected: str) -> None:
    message = judge(body(event_type, status))
    assert isinstance(message, AlertFound)
    assert (message.alert.status, message.alert.transition, message.alert.source_key) == (expected, event_type, "Q1")


@pytest.mark.parametrize(
    "event_type, kind",
    [
        ("incident.annotated", "incident_note"),
        ("incident.status_update_published", "incident_status_update"),
        ("incident.responder.added", "incident_responder"),
        ("incident.responder.replied", "incident_responder"),
        ("incident.conference_bridge.updated", "incident_conference_bridge"),
        ("incident.custom_field_values.updated", "incident_field_values"),
        ("incident.role.assigned", "incident_role_assignment"),
        ("incident.task.created", "incident_task"),
        ("incident.workflow.started", "incident_workflow_instance"),
        ("incident.action_invocation.created", "incident_action_invocation"),
        ("service.created", "service"),
        ("service.custom_field_values.updated", "service_field_values"),
        ("garden.watered", "garden"),
    ],
)
def test_an_event_about_anything_else_is_no_alert(event_type: str, kind: str) -> None:
    message = judge(body(event_type, type=kind))
    assert isinstance(message, NotAnAlert)
    assert (message.why, message.is_test) == (kind, False)


def test_a_ping_is_a_test() -> None:
    ping = {"event": {"id": "1", "event_type": "pagey.ping", "data": {"message": "Hello", "type": "ping"}}}
    message = judge(ping)
    assert isinstance(message, NotAnAlert)
    assert (message.why, message.is_test) == ("ping", True)


def test_a_merge_is_not_a_recovery() -> None:
    merged = body("incident.resolved", "resolved", resolve_reason={"type": "merge_resolve_reason", "incident": {}})
    message = judge(merged)
    assert isinstance(message, NotAnAlert)
    assert message.why == "merged"


V1_INCIDENT = {
    "id": "Q1",
    "status": "acknowledged",
    "service": {"id": "P1", "name": "shop"},
    "trigger_summary_data": {"subject": "p95 is high"},
}
V2_INCIDENT = {"id": "Q1", "type": "incident", "status": "resolved", "title": "p95 is high", "urgency": "low"}


def messages(*found: dict[str, Any]) -> bytes:
    return json.dumps({"messages": found}).encode()


def v1(event_type: str, **incident: object) -> dict[str, Any]:
    return {
        "id": f"{event_type}!",
        "type": event_type,
        "created_on": "2026-11-24T02:59:30Z",
        "data": {"incident": V1_INCIDENT | incident},
    }


def v2(event_type: str, **incident: object) -> dict[str, Any]:
    return {
        "id": f"{event_type}!",
        "event": event_type,
        "created_on": "2026-11-24T02:59:30Z",
        "incident": V2_INCIDENT | incident,
    }


@pytest.mark.parametrize(
    "raw, expected",
    [
        pytest.param(messages(v1("incident.trigger", status="triggered")), "firing", id="v1, a trigger fires"),
        pytest.param(
            messages(v1("incident.assign"), v1("incident.acknowledge")),
            "firing",
            id="v1, of one incident the last counts",
        ),
        pytest.param(messages(v1("incident.resolve", status="resolved")), "recovered", id="v1, a resolve recovers"),
        pytest.param(messages(v2("incident.trigger", status="triggered")), "firing", id="v2, a trigger fires"),
        pytest.param(messages(v2("incident.resolve")), "recovered", id="v2, a resolve recovers"),
        pytest.param(
            messages(v2("incident.resolve", status=None)), "recovered", id="v2, without status the event tells"
        ),
        pytest.param(
            messages(v2("incident.custom", status="triggered")), "firing", id="v2, an unknown event, by status"
        ),
    ],
)
def test_an_older_body_tells_of_the_same_incident(raw: bytes, expected: str) -> None:
    [message] = parse(raw, {}, RECEIVED)
    assert isinstance(message, AlertFound)
    newer = judge(body())
    assert isinstance(newer, AlertFound)
    assert (message.alert.status, message.alert.title) == (expected, "p95 is high")
    assert message.alert.fingerprint == newer.alert.fingerprint
    assert message.alert.has_own_time
    assert message.delivery_key == f"{message.alert.transition}!"


def test_an_older_body_about_two_incidents_is_two_messages() -> None:
    found = parse(messages(v2("incident.trigger"), v2("incident.trigger", id="Q2")), {}, RECEIVED)
    assert [message.alert.source_key for message in found if isinstance(message, AlertFound)] == ["Q1", "Q2"]


@pytest.mark.parametrize(
    "fields, why",
    [
        pytest.param({"messages": [{"type": "incident.trigger", "data": {}}]}, "no_identity", id="v1 without incident"),
        pytest.param({"messages": [{"event": "x", "incident": {}}]}, "no_identity", id="v2 without incident"),
        pytest.param({"messages": [None]}, "no_identity", id="a message that is none"),
        pytest.param({"messages": []}, "not_v3", id="no messages"),
        pytest.param({"messages": [{}] * 101}, "too_many", id="more messages than allowed"),
        pytest.param(body(id=None), "no_identity", id="an incident without id"),
        pytest.param(
            {"event": {"event_type": "incident.triggered"}}, "no_identity", id="an incident event without data"
        ),
        pytest.param(
            {"__pd_metadata": {"incident": {"id": "Q1"}}}, "event_orchestration", id="an orchestration webhook"
        ),
        pytest.param({"event": "incident.trigger"}, "not_v3", id="an event that is a word"),
        pytest.param([], "not_v3", id="a list"),
    ],
)
def test_what_cannot_be_understood_says_why(fields: object, why: str) -> None:
    message = judge(fields)
    assert isinstance(message, Unreadable)
    assert message.why == why


def test_each_attempt_of_a_delivery_has_one_key() -> None:
    with_header, without = judge(body(), **{"x-webhook-id": "w1"}), judge(body())
    assert (with_header.delivery_key, without.delivery_key) == ("w1", "01A")  # type: ignore[union-attr]  # both found


def test_an_old_body_without_newer_fields_is_read() -> None:
    old = {"event": {"event_type": "incident.triggered", "data": {"id": "Q1", "status": "triggered", "title": "t"}}}
    message = judge(old)
    assert isinstance(message, AlertFound)
    assert (message.alert.services, message.alert.occurred_at, message.alert.has_own_time) == ((), RECEIVED, False)


@pytest.mark.parametrize(
    "priority, urgency, severity",
    [
        ({"summary": "P1"}, "low", "sev1"),
        ({"summary": "SEV-2"}, "low", "sev2"),
        (None, "high", "sev2"),
        (None, "low", "sev4"),
    ],
)
def test_priority_before_urgency(priority: object, urgency: str, severity: str) -> None:
    message = judge(body(priority=priority, urgency=urgency))
    assert isinstance(message, AlertFound)
    assert message.alert.severity == severity


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(list(body()["event"]["data"])), JSON), st.text(max_size=20))
def test_no_json_makes_the_parser_raise(data: dict[str, Any], event_type: str) -> None:
    judge({"event": {"event_type": event_type, "data": data}})
