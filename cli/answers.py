"""Wait for the answer to what was submitted: the owner's event that names the request or decision."""

from __future__ import annotations

import time
from typing import Any

from cli.client import Client
from shared.errors import RefusedError, UnavailableError

SECONDS = 30.0
POLL = 0.2
_SUBMITTED = frozenset({"decision.submitted", "incident.requested"})
_REFUSALS = frozenset({"approval.decision_refused", "incident.request_refused"})


def answer(client: Client, incident: str, name: str, submitted: str, *, who: str) -> str:
    """Return the type of the first answering event whose field `name` is the id `submitted`.

    Raises RefusedError with the reason when that event is a refusal, UnavailableError when `who` does not answer.
    """
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for event in client.get(f"/api/incidents/{incident}/events"):
            if event["body"].get(name) == submitted and event["type"] not in _SUBMITTED:
                return _accepted(event)
        time.sleep(POLL)
    raise UnavailableError(f"submitted, but the {who} has not answered within {SECONDS:g} s")


def _accepted(event: dict[str, Any]) -> str:
    if event["type"] in _REFUSALS:
        raise RefusedError(f"refused: {event['body']['why']} {event['body'].get('detail', '')}".strip())
    return str(event["type"])
