"""Which events reach which aggregate: all go to their incident."""

from __future__ import annotations

import re

from shared.bus.intake import incoming
from shared.bus.port import Received
from shared.events.incidents import IncidentClosed, IncidentReopened, IncidentSourceRecovered
from shared.events.investigations import RecommendationMade, RecommendationSuperseded
from shared.events.people import DecisionSubmitted, NoticePosted
from shared.incident.model import is_environment
from shared.store.model import Incoming

OF_INCIDENTS = frozenset(
    {
        RecommendationMade.type,
        RecommendationSuperseded.type,
        IncidentSourceRecovered.type,
        IncidentClosed.type,
        IncidentReopened.type,
    }
)
"""What the executor acts on; its own words and what is for people only are left."""
OF_DECISIONS = frozenset({DecisionSubmitted.type, NoticePosted.type})

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


def route_incidents(received: Received) -> Incoming | None:
    """Send what the diagnoser says to the incident it is about."""
    return _route(received, OF_INCIDENTS)


def route_decisions(received: Received) -> Incoming | None:
    """Send what people decided to the incident it is about. Whether it counts is told by its signature alone."""
    return _route(received, OF_DECISIONS)


def _route(received: Received, types: frozenset[str]) -> Incoming | None:
    envelope = received.envelope
    subject = envelope.subject or received.key
    if envelope.type not in types or not _SUBJECT.fullmatch(subject) or not is_environment(envelope.environment):
        return None
    return incoming(received, f"incident/{subject}")
