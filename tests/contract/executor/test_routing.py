"""Which records reach which aggregate, whatever they are."""

from __future__ import annotations

import pytest

from services.executor.entrypoints.consumer import OF_DECISIONS, OF_INCIDENTS, route_decisions, route_incidents
from services.executor.handlers.incident import _MESSAGES
from shared.bus.port import Received
from shared.events.envelope import read_headers
from shared.events.payload import DECISIONS, INCIDENTS
from shared.events.registry import EVENTS


def received(topic: str, **changes: str) -> Received:
    headers = {
        "ce_id": "diagnoser/INC-1:1",
        "ce_type": "recommendation.made.v1",
        "ce_subject": "INC-1",
        "ce_environment": "sim:r1",
        **{f"ce_{name}": value for name, value in changes.items()},
    }
    return Received(topic, "INC-1", read_headers(headers), headers, b"{}", 1)


def test_an_event_reaches_the_incident_it_is_about() -> None:
    message = route_incidents(received(INCIDENTS))
    assert message is not None
    assert (message.aggregate, message.id, message.type) == (
        "incident/INC-1",
        "diagnoser/INC-1:1",
        "recommendation.made",
    )
    assert message.meta["environment"] == "sim:r1"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"type": "approval.requested.v1"}, id="its own words"),
        pytest.param({"type": "incident.noted.v1"}, id="what is for people"),
        pytest.param({"type": "decision.submitted.v1"}, id="a decision on the wrong topic"),
        pytest.param({"type": ""}, id="no type"),
        pytest.param({"subject": "INC-1/../governor"}, id="a subject that is no name"),
        pytest.param({"subject": "x" * 65}, id="a subject without end"),
        pytest.param({"environment": "prod"}, id="an environment there is not"),
        pytest.param({"environment": ""}, id="no environment"),
    ],
)
def test_what_the_executor_does_not_act_on_is_left(changes: dict[str, str]) -> None:
    assert route_incidents(received(INCIDENTS, **changes)) is None


def test_people_are_heard_on_their_own_topic_only() -> None:
    assert route_decisions(received(DECISIONS, type="decision.submitted.v1")) is not None
    assert route_decisions(received(DECISIONS, type="recommendation.made.v1")) is None


def test_every_event_that_an_incident_handles_is_let_through_and_no_other() -> None:
    assert set(_MESSAGES) & set(EVENTS) == OF_INCIDENTS | OF_DECISIONS
