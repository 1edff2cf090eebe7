"""PagerDuty V3 webhooks. What counts is `data.type`, not the event type; unknown types are never refused.

Source: the vendor's webhook pages. A merged incident is reported as resolved with a merge reason: that is not a
recovery. V1 and V2 bodies are recognised, so that a person learns which subscription to replace.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ingest.domain.parsed import (
    TITLE_MAX,
    AlertFound,
    NotAnAlert,
    NotUnderstood,
    Parsed,
    iso_time,
    mapping,
    read_json,
    severity,
    total,
    word,
)
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import AlertStatus

SOURCE = "pagerduty"


@total
def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    """Return what a PagerDuty body is."""
    fields = mapping(read_json(body))
    event = mapping(fields.get("event"))
    if not event or "data" not in event:
        raise _legacy(fields)
    delivery_key = word(headers.get("x-webhook-id")) or word(event.get("id")) or None
    return (_judge(event, delivery_key, received_at),)


def _legacy(fields: Mapping[str, Any]) -> NotUnderstood:
    messages = fields.get("messages")
    if isinstance(messages, list):
        is_v1 = any("type" in mapping(message) for message in messages)
        version = "v1" if is_v1 else "v2"
        return NotUnderstood(f"legacy_{version}", f"a {version.upper()} webhook; create a V3 webhook subscription")
    if "__pd_metadata" in fields:
        return NotUnderstood("event_orchestration", "an event orchestration webhook; create a V3 webhook subscription")
    return NotUnderstood("not_v3", "no `event` with `data`; create a V3 webhook subscription")


def _judge(event: Mapping[str, Any], delivery_key: str | None, received_at: datetime) -> AlertFound | NotAnAlert:
    event_type = word(event.get("event_type"))
    data = mapping(event.get("data"))
    kind = word(data.get("type"))
    if event_type == "pagey.ping" or kind == "ping":
        return NotAnAlert("ping", word(data.get("message"), TITLE_MAX), is_test=True, delivery_key=delivery_key)
    status, incident = word(data.get("status")), word(data.get("id"))
    is_incident = kind == "incident" or (not kind and event_type.startswith("incident."))
    if not is_incident or not incident or not status:
        why = kind or event_type or "unknown_type"
        return NotAnAlert(why, event_type, delivery_key=delivery_key)
    if mapping(data.get("resolve_reason")).get("type") == "merge_resolve_reason":
        return NotAnAlert("merged", word(data.get("title"), TITLE_MAX), delivery_key=delivery_key)
    return AlertFound(_alert(event, data, received_at), delivery_key)


def _alert(event: Mapping[str, Any], data: Mapping[str, Any], received_at: datetime) -> Alert:
    service = mapping(data.get("service"))
    name = word(service.get("summary")) or word(service.get("name")) or word(service.get("id"))
    key = word(data.get("id"))
    own_time = iso_time(word(event.get("occurred_at")))
    priority = mapping(data.get("priority"))
    labels = {
        "urgency": word(data.get("urgency")),
        "pagerduty_status": word(data.get("status")),
        "pagerduty_service_id": word(service.get("id")),
        "pagerduty_incident_key": word(data.get("incident_key")),
        "service": name,
    }
    return Alert(
        fingerprint=fingerprint(SOURCE, key),
        source=SOURCE,
        source_key=key,
        status=AlertStatus.RECOVERED if data.get("status") == "resolved" else AlertStatus.FIRING,
        transition=word(event.get("event_type")),
        title=word(data.get("title"), TITLE_MAX) or word(data.get("summary"), TITLE_MAX) or f"incident {key}",
        severity=severity(word(priority.get("summary")), word(priority.get("name")), word(data.get("urgency"))),
        services=(name,) if name else (),
        labels={label: value for label, value in labels.items() if value},
        link=word(data.get("html_url"), 2000) or None,
        occurred_at=own_time or received_at,
        has_own_time=own_time is not None,
    )
