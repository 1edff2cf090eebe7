"""Wait for the answer to what was submitted: the owner's event that names the request or decision."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from cli.client import Client, incident_path
from shared.errors import RefusedError, UnavailableError

SECONDS = 30.0
POLL = 0.2
_SUBMITTED = frozenset({"decision.submitted", "incident.requested", "question.asked", "feedback.given"})
_REFUSALS = frozenset({"approval.decision_refused", "incident.request_refused"})


def answer(
    client: Client,
    incident: str,
    name: str,
    submitted: str,
    *,
    who: str,
    types: Collection[str] = (),
    within: float = SECONDS,
) -> dict[str, Any]:
    """Return the first answering event whose field `name` is the id `submitted`; with `types`, of one of them.

    Raises RefusedError with the reason when that event is a refusal, UnavailableError when `who` does not answer.
    """
    end = time.monotonic() + within
    while time.monotonic() < end:
        for event in client.get(f"{incident_path(incident)}/events"):
            if _names(event, name, submitted, types):
                return _accepted(event)
        time.sleep(POLL)
    raise UnavailableError(f"submitted, but the {who} has not answered within {within:g} s")


def _names(event: dict[str, Any], name: str, submitted: str, types: Collection[str]) -> bool:
    """Say whether an event answers. A refusal names a request by its id, whatever was asked."""
    if event["type"] in _REFUSALS:
        return submitted in (event["body"].get(name), event["body"].get("request_id"))
    is_answer = event["type"] in types if types else event["type"] not in _SUBMITTED
    return is_answer and event["body"].get(name) == submitted


def _accepted(event: dict[str, Any]) -> dict[str, Any]:
    if event["type"] in _REFUSALS:
        raise RefusedError(f"refused: {event['body']['why']} {event['body'].get('detail', '')}".strip())
    return event
