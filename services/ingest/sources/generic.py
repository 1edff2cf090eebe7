"""Any sender that follows Standard Webhooks (standardwebhooks.com) and sends our simple alert.

Body: `{"title", "status": "firing" | "recovered", "key", "severity", "service" | "services", "host", "labels",
"description", "link", "at", "metric", "cycle", "test"}`, alone, under `data`, or several in a list, bare or under
`alerts`. Only `title` or `key` is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ingest.domain.parsed import AlertFound, NotUnderstood, Parsed, total, understood
from services.ingest.domain.reading import (
    DESCRIPTION_MAX,
    LABEL_NAME_MAX,
    LINK_MAX,
    SERVICES_MAX,
    TITLE_MAX,
    epoch,
    iso_time,
    labels,
    mapping,
    prose,
    read_json,
    severity,
    word,
)
from services.ingest.domain.trusted import trusted_alert
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import AlertStatus

SOURCE = "generic"
ALERTS_MAX = 100
"""Alerts that one body may hold."""

_NAME_MAX = 100
_RECOVERED = ("recovered", "resolved", "ok", "closed")


@total
def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    """Return the alerts of a body."""
    value = read_json(body)
    inner = mapping(value).get("data") or value
    items = mapping(inner).get("alerts") or inner
    items = items if isinstance(items, list) else [items]
    if len(items) > ALERTS_MAX:
        raise NotUnderstood("too_many", f"{len(items)} alerts in one body; {ALERTS_MAX} are allowed")
    own = word(headers.get("webhook-id")) or None
    return tuple(understood(_found, mapping(item), own, received_at) for item in items)


def _found(fields: Mapping[str, Any], delivery_key: str | None, received_at: datetime) -> AlertFound:
    return AlertFound(_alert(fields, received_at), delivery_key)


def _alert(fields: Mapping[str, Any], received_at: datetime) -> Alert:
    title = word(fields.get("title"), TITLE_MAX)
    key = word(fields.get("key"), 500) or title
    if not key:
        raise NotUnderstood("no_identity", "an alert needs `key` or `title`")
    at = word(fields.get("at"))
    own_time = iso_time(at) or epoch(at)
    named = fields.get("services")
    services = named if isinstance(named, list) else [fields.get("service")]
    return trusted_alert(
        fingerprint=fingerprint(SOURCE, key),
        source=SOURCE,
        source_key=key,
        cycle=word(fields.get("cycle")) or None,
        status=AlertStatus.RECOVERED if word(fields.get("status")).lower() in _RECOVERED else AlertStatus.FIRING,
        transition=word(fields.get("status")),
        is_test=fields.get("test") is True,
        title=title or key[:TITLE_MAX],
        description=prose(fields.get("description"), DESCRIPTION_MAX),
        severity=severity(word(fields.get("severity"))),
        services=tuple(sorted({word(name, _NAME_MAX) for name in services[:SERVICES_MAX]} - {""})),
        host=word(fields.get("host")) or None,
        metric=word(fields.get("metric")) or None,
        labels=labels(
            (word(name, LABEL_NAME_MAX + 1), word(value)) for name, value in mapping(fields.get("labels")).items()
        ),
        link=word(fields.get("link"), LINK_MAX) or None,
        occurred_at=own_time or received_at,
        has_own_time=own_time is not None,
    )
