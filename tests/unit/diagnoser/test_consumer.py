"""Which record reaches which aggregate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from services.diagnoser.entrypoints.consumer import route_alert, route_incident, route_request
from shared.bus.port import Received
from shared.events.envelope import Envelope
from shared.store.model import Incoming

INCIDENT = "INC-ABCDEFGH23"
Route = Callable[[Received], Incoming | None]


def received(type_: str, body: Any = None, *, subject: str = INCIDENT, environment: str = "live") -> Received:  # noqa: ANN401 -- any JSON
    envelope = Envelope("id", type_, "source", "time", subject, environment)
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Received("topic", "key", envelope, {}, raw, 1)


ROWS = [
    pytest.param(route_alert, received("delivery.received"), "scope/live", id="a delivery goes to its scope"),
    pytest.param(
        route_alert,
        received("delivery.unreadable", environment="sim:r-1"),
        "scope/sim:r-1",
        id="one of a simulated run to the scope of the run",
    ),
    pytest.param(route_alert, received("delivery.received", environment="sim:A"), None, id="no environment, no scope"),
    pytest.param(route_alert, received("delivery.received", environment=""), None, id="a missing environment"),
    pytest.param(route_alert, received("closed"), None, id="a local message cannot be forged from outside"),
    pytest.param(route_request, received("silence.requested", {}), "scope/live", id="a silence goes to the scope"),
    pytest.param(
        route_request,
        received("incident.requested", {"verb": "open", "incident_id": INCIDENT}),
        "scope/live",
        id="opening goes to the scope",
    ),
    pytest.param(
        route_request,
        received("incident.requested", {"verb": "close", "incident_id": INCIDENT}),
        f"incident/{INCIDENT}",
        id="everything else goes to the incident it names",
    ),
    pytest.param(
        route_request,
        received("incident.requested", {"verb": "close", "incident_id": "../x"}),
        None,
        id="what is no incident's id names none",
    ),
    pytest.param(
        route_request,
        received("question.asked", {"incident_id": INCIDENT, "text": "why?"}),
        f"incident/{INCIDENT}",
        id="a question about an incident",
    ),
    pytest.param(route_request, received("question.asked", {"text": "why?"}), None, id="a question about no incident"),
    pytest.param(
        route_request,
        received("feedback.given", {"incident_id": INCIDENT, "verdict": "right"}),
        f"incident/{INCIDENT}",
        id="a verdict on a diagnosis",
    ),
    pytest.param(route_request, received("incident.requested", b"{broken"), None, id="a body that is no JSON"),
    pytest.param(route_request, received("incident.requested", [1]), None, id="a body that is no object"),
    pytest.param(route_request, received("incident.requested", {"verb": "close"}), None, id="a request about nothing"),
    pytest.param(route_incident, received("plan.refused"), f"incident/{INCIDENT}", id="an answer of the executor"),
    pytest.param(route_incident, received("incident.opened"), f"incident/{INCIDENT}", id="our own words"),
    pytest.param(route_incident, received("open"), None, id="a word of the scope cannot be forged from outside"),
    pytest.param(route_incident, received("incident.requested", {}), None, id="a request on the wrong topic"),
    pytest.param(route_incident, received("activity.done"), None, id="nor can a result of an investigation"),
    pytest.param(route_incident, received("plan.refused", subject="INC-x"), None, id="a subject that is no incident"),
    pytest.param(route_incident, received("plan.refused", environment="x"), None, id="a broken environment"),
]


@pytest.mark.parametrize("route, record, aggregate", ROWS)
def test_a_record_reaches_its_aggregate_or_nobody(route: Route, record: Received, aggregate: str | None) -> None:
    message = route(record)

    assert (message.aggregate if message else None) == aggregate
