"""Any sender that follows Standard Webhooks (standardwebhooks.com) and sends our simple alert.

Body: `{"title", "status": "firing" | "recovered", "key", "severity", "service" | "services", "host", "labels",
"description", "link", "at"}`, alone, under `data`, or several under `alerts`. Only `title` or `key` is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ingest.domain.parsed import (
    DESCRIPTION_MAX,
    LABELS_MAX,
    TITLE_MAX,
    AlertFound,
    NotUnderstood,
    Parsed,
    epoch,
    iso_time,
    mapping,
    read_json,
    severity,
    total,
    word,
)
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import AlertStatus

SOURCE = "generic"
ALERTS_MAX = 100
"""Alerts that one body may hold."""

_RECOVERED = ("recovered", "resolved", "ok", "closed")


@total
def parse(body: bytes, headers: Mapping[str, str], received_at: datetime) -> Parsed:
    """Return the alerts of a body."""
    fields = mapping(read_json(body))
    fields = mapping(fields.get("data")) or fields
    listed = fields.get("alerts")
    items = listed if isinstance(listed, list) and listed else [fields]
    if len(items) > ALERTS_MAX:
        raise NotUnderstood("too_many", f"{len(items)} alerts in one body; {ALERTS_MAX} are allowed")
    own = word(headers.get("webhook-id")) or None
    keys = [f"{own}/{n}" if own and len(items) > 1 else own for n in range(1, len(items) + 1)]
    return tuple(AlertFound(_alert(mapping(item), received_at), key) for item, key in zip(items, keys, strict=True))


def _alert(fields: Mapping[str, Any], received_at: datetime) -> Alert:
    title = word(fields.get("title"), TITLE_MAX)
    key = word(fields.get("key"), 500) or title
    if not key:
        raise NotUnderstood("no_identity", "an alert needs `key` or `title`")
    at = word(fields.get("at"))
    own_time = iso_time(at) or epoch(at)
    named = fields.get("services")
    services = [word(name) for name in named] if isinstance(named, list) else [word(fields.get("service"))]
    labels = {word(name, 100): word(value) for name, value in list(mapping(fields.get("labels")).items())[:LABELS_MAX]}
    return Alert(
        fingerprint=fingerprint(SOURCE, key),
        source=SOURCE,
        source_key=key,
        cycle=word(fields.get("cycle")) or None,
        status=AlertStatus.RECOVERED if word(fields.get("status")).lower() in _RECOVERED else AlertStatus.FIRING,
        transition=word(fields.get("status")),
        is_test=fields.get("test") is True,
        title=title or key[:TITLE_MAX],
        description=word(fields.get("description"), DESCRIPTION_MAX),
        severity=severity(word(fields.get("severity"))),
        services=tuple(sorted({name for name in services if name})),
        host=word(fields.get("host")) or None,
        metric=word(fields.get("metric")) or None,
        labels={name: value for name, value in labels.items() if name},
        link=word(fields.get("link"), 2000) or None,
        occurred_at=own_time or received_at,
        has_own_time=own_time is not None,
    )
