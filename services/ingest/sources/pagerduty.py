"""PagerDuty V3 webhooks. What counts is `data.type`, not the event type; unknown types are never refused.

Source: the vendor's webhook pages. A merged incident is reported as resolved with a merge reason: that is not a
recovery. V1 and V2 bodies, which old extensions still send, hold the same incident and are read as V3.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ingest.domain.parsed import AlertFound, NotAnAlert, NotUnderstood, Parsed, total, understood
from services.ingest.domain.reading import (
    LINK_MAX,
    TITLE_MAX,
    iso_time,
    labels,
    mapping,
    read_json,
    severity,
    word,
)
from services.ingest.domain.trusted import trusted_alert
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import AlertStatus

SOURCE = "pagerduty"
MESSAGES_MAX = 100
"""Messages that one V1 or V2 body may hold."""


@total
def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    """Return what a PagerDuty body is."""
    fields = mapping(read_json(body))
    event = mapping(fields.get("event"))
    events = [event] if event else _older(fields)
    own = word(headers.get("x-webhook-id"))
    return tuple(understood(_judge, event, own, received_at) for event in events)


def _older(fields: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the messages of a V1 or V2 body as V3 events. Of one incident the last counts: all tell its state."""
    messages = fields.get("messages")
    if isinstance(messages, list) and messages:
        if len(messages) > MESSAGES_MAX:
            raise NotUnderstood("too_many", f"{len(messages)} messages in one body; {MESSAGES_MAX} are allowed")
        events = [_as_v3(mapping(message)) for message in messages]
        return list({word(event["data"].get("id")): event for event in events}.values())
    if "__pd_metadata" in fields:
        raise NotUnderstood("event_orchestration", "an event orchestration webhook; create a V3 webhook subscription")
    raise NotUnderstood("not_v3", "no `event`; create a V3 webhook subscription")


def _as_v3(message: Mapping[str, Any]) -> dict[str, Any]:
    incident = mapping(message.get("incident")) or mapping(mapping(message.get("data")).get("incident"))
    cause = mapping(incident.get("trigger_summary_data"))
    title = incident.get("title") or cause.get("subject") or cause.get("description")
    return {
        "id": message.get("id"),
        "event_type": word(message.get("event")) or word(message.get("type")),
        "occurred_at": message.get("created_on"),
        "data": {**incident, "type": "incident", "title": title},
    }


def _judge(event: Mapping[str, Any], own_key: str, received_at: datetime) -> AlertFound | NotAnAlert:
    delivery_key = own_key or word(event.get("id")) or None
    event_type = word(event.get("event_type"))
    data = mapping(event.get("data"))
    kind = word(data.get("type"))
    if event_type == "pagey.ping" or kind == "ping":
        return NotAnAlert("ping", word(data.get("message"), TITLE_MAX), is_test=True, delivery_key=delivery_key)
    if kind and kind != "incident":
        return NotAnAlert(kind, event_type, delivery_key=delivery_key)
    if not kind and not event_type.startswith("incident."):
        return NotAnAlert(event_type or "unknown_type", event_type, delivery_key=delivery_key)
    if not word(data.get("id")):
        raise NotUnderstood("no_identity", f"{event_type or 'an event'} about an incident without id")
    if mapping(data.get("resolve_reason")).get("type") == "merge_resolve_reason":
        return NotAnAlert("merged", word(data.get("title"), TITLE_MAX), delivery_key=delivery_key)
    return AlertFound(_alert(event, data, received_at), delivery_key)


def _alert(event: Mapping[str, Any], data: Mapping[str, Any], received_at: datetime) -> Alert:
    service = mapping(data.get("service"))
    name = word(service.get("summary")) or word(service.get("name")) or word(service.get("id"))
    key = word(data.get("id"))
    own_time = iso_time(word(event.get("occurred_at")))
    priority = mapping(data.get("priority"))
    facts = {
        "urgency": word(data.get("urgency")),
        "pagerduty_status": word(data.get("status")),
        "pagerduty_service_id": word(service.get("id")),
        "pagerduty_incident_key": word(data.get("incident_key")),
        "service": name,
    }
    return trusted_alert(
        fingerprint=fingerprint(SOURCE, key),
        source=SOURCE,
        source_key=key,
        status=_status(word(data.get("status")), word(event.get("event_type"))),
        transition=word(event.get("event_type")),
        title=word(data.get("title"), TITLE_MAX) or word(data.get("summary"), TITLE_MAX) or f"incident {key}",
        severity=severity(word(priority.get("summary")), word(priority.get("name")), word(data.get("urgency"))),
        services=(name,) if name else (),
        labels=labels(facts.items()),
        link=word(data.get("html_url"), LINK_MAX) or None,
        occurred_at=own_time or received_at,
        has_own_time=own_time is not None,
    )


def _status(status: str, event_type: str) -> AlertStatus:
    """Return the status of the incident, by the event where the incident does not tell."""
    recovered = status == "resolved" if status else event_type in ("incident.resolved", "incident.resolve")
    return AlertStatus.RECOVERED if recovered else AlertStatus.FIRING
