"""Which events reach which aggregate."""

from __future__ import annotations

import re
from datetime import datetime

from services.notifier.handlers.incident_state import aggregate
from shared.bus.intake import incoming
from shared.bus.port import Received
from shared.store.model import Incoming

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


def route(received: Received) -> Incoming | None:
    """Send each event of `incidents.v1` to its incident; what names none is counted and left."""
    envelope = received.envelope
    subject = envelope.subject or received.key
    if not _SUBJECT.fullmatch(subject) or not (envelope.type and envelope.environment and _is_time(envelope.time)):
        return None
    return incoming(received, aggregate(subject))


def _is_time(text: str) -> bool:
    """Say whether pages can show this instant."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
