"""Which records reach which aggregate. What this service does not act on is counted and left."""

from __future__ import annotations

import re

import orjson

from services.diagnoser.handlers.deliveries import TYPES as DELIVERIES
from services.diagnoser.handlers.incident_turn import KIND as INCIDENT
from services.diagnoser.handlers.scope_turn import KIND as SCOPE
from shared.bus.intake import incoming
from shared.bus.port import Received
from shared.events.payload import INCIDENTS
from shared.events.people import FeedbackGiven, IncidentRequested, QuestionAsked, SilenceRequested
from shared.events.registry import EVENTS
from shared.incident.model import is_environment
from shared.store.model import Incoming

_INCIDENT_ID = re.compile(r"INC-[A-Z2-7]{10}")
OPEN = "open"
_OF_INCIDENT = frozenset({IncidentRequested.type, QuestionAsked.type, FeedbackGiven.type})


def route_alert(received: Received) -> Incoming | None:
    """Send each message of a delivery to the scope of its environment."""
    envelope = received.envelope
    if envelope.type not in DELIVERIES or not is_environment(envelope.environment):
        return None
    return incoming(received, f"{SCOPE}/{envelope.environment}")


def route_request(received: Received) -> Incoming | None:
    """Send what people ask to the scope, or to the incident it is about."""
    envelope = received.envelope
    if not is_environment(envelope.environment):
        return None
    if envelope.type == SilenceRequested.type:
        return incoming(received, f"{SCOPE}/{envelope.environment}")
    if envelope.type not in _OF_INCIDENT:
        return None
    incident_id = _asked_about(received.body)
    if incident_id == OPEN:
        return incoming(received, f"{SCOPE}/{envelope.environment}")
    return incoming(received, f"{INCIDENT}/{incident_id}") if incident_id else None


def route_incident(received: Received) -> Incoming | None:
    """Send what is said of an incident to it: the executor's answers, and our own words as everybody reads them."""
    envelope = received.envelope
    subject = envelope.subject or received.key
    known = EVENTS.get(envelope.type)
    if known is None or known.topic != INCIDENTS or not is_environment(envelope.environment):
        return None
    return incoming(received, f"{INCIDENT}/{subject}") if _INCIDENT_ID.fullmatch(subject) else None


def _asked_about(body: bytes) -> str:
    """Return the incident that a request names, `open` for one that opens an incident, empty for neither."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(asked, dict):
        return ""
    if asked.get("verb") == OPEN:
        return OPEN
    named = asked.get("incident_id")
    return named if isinstance(named, str) and _INCIDENT_ID.fullmatch(named) else ""
