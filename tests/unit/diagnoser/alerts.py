"""Alerts and deliveries as the bus brings them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

from shared.events.deliveries import DeliveryReceived
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import AlertStatus, Severity
from shared.store.model import Message
from tests.unit.diagnoser.aggregates import message

T0 = 1_790_000_000.0
"""Data time zero; far from the wall time, because the two are never compared."""
KEY = b"receipt-key"


def time(seconds: float) -> datetime:
    return datetime.fromtimestamp(T0 + seconds, UTC)


def alert(name: str = "cpu", at: float = 0.0, *, recovered: bool = False, **more: Any) -> Alert:  # noqa: ANN401 -- fields of an alert
    given: dict[str, Any] = {
        "fingerprint": fingerprint("datadog", name),
        "source": "datadog",
        "source_key": name,
        "cycle": "c1",
        "status": AlertStatus.RECOVERED if recovered else AlertStatus.FIRING,
        "title": f"{name} is high",
        "severity": Severity.SEV3,
        "services": ("shop",),
        "occurred_at": time(at),
    }
    return Alert(**given | more)


def delivery(message_id: str, of: Alert, *, environment: str = "sim:t", **more: Any) -> Message:  # noqa: ANN401 -- fields of the event
    """Return one delivery with a valid proof."""
    text = f"message\x00{message_id}\x00{of.source}\x00{environment}"
    given: dict[str, Any] = {
        "receipt": message_id,
        "message_id": message_id,
        "source": of.source,
        "received_at": time(5),
        "body_sha256": "b" * 64,
        "mac": hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest(),
        "alert": of,
    }
    event = DeliveryReceived(**given | more)
    body = event.model_dump(mode="json")
    return message(f"ingest/{message_id}", event.type, body, environment=environment)
