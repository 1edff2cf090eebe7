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


@pytest.mark.parametrize(
    "fields, why",
    [
        ({"messages": [{"type": "incident.trigger", "data": {}}]}, "legacy_v1"),
        ({"messages": [{"event": "incident.trigger", "incident": {}}]}, "legacy_v2"),
        ({"__pd_metadata": {"incident": {"id": "Q1"}}}, "event_orchestration"),
        ({"event": "incident.trigger"}, "not_v3"),
        ([], "not_v3"),
    ],
)
def test_an_older_kind_of_body_is_recognised(fields: object, why: str) -> None:
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
