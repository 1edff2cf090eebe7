from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.registry import EVENTS
from shared.incident.enums import Stage
from shared.lifecycle.stage import IGNORED, MOVES, OPENED, Progress, advance, variant
from tests.support.golden import LIFECYCLE, lifecycle

ROWS = sorted(set(MOVES) | set(IGNORED))
INCIDENT_EVENTS = {name for name, payload in EVENTS.items() if payload.topic == "incidents.v1"}

BODIES: dict[str, dict[str, Any]] = {
    "some": {"recommendations": {"items": [{}]}},
    "none": {"recommendations": {"items": []}},
    "under_way": {"execution_id": "exe-1"},
}


def follow(*names: str, start: Progress = OPENED) -> Progress:
    progress = start
    for name in names:
        event_type, _, which = name.partition("/")
        progress = advance(progress, event_type, BODIES.get(which, {"outcome": which}))
    return progress


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("stage", list(Stage))
def test_every_pair_of_stage_and_event_moves_or_is_ignored_for_a_reason(row: str, stage: Stage) -> None:
    stages, reason = IGNORED.get(row, ((), "-"))
    assert (stage in MOVES.get(row, {})) != (stage in stages)
    assert reason


def test_every_event_about_an_incident_is_in_the_table() -> None:
    assert {row.partition("/")[0] for row in ROWS} == INCIDENT_EVENTS


def test_every_stage_can_be_reached() -> None:
    assert {to for moves in MOVES.values() for to in moves.values()} == set(Stage)


def test_the_diagram_is_the_committed_one() -> None:
    assert LIFECYCLE.read_text() == lifecycle()


HAPPY = (
    "investigation.started",
    "recommendation.made/some",
    "approval.requested",
    "execution.started",
    "execution.finished/succeeded",
)


@pytest.mark.parametrize(
    "events, stage",
    [
        (HAPPY[:1], Stage.INVESTIGATING),
        (HAPPY[:2], Stage.RECOMMENDED),
        (HAPPY[:3], Stage.AWAITING_APPROVAL),
        (HAPPY[:4], Stage.EXECUTING),
        (HAPPY, Stage.VERIFYING),
        ((*HAPPY, "verification.passed"), Stage.MITIGATED),
        ((*HAPPY, "verification.passed", "incident.source_recovered"), Stage.RESOLVED),
        ((*HAPPY, "incident.source_recovered"), Stage.VERIFYING),
        ((*HAPPY, "incident.source_recovered", "verification.passed"), Stage.RESOLVED),
        ((*HAPPY, "incident.source_recovered", "verification.unknown"), Stage.RESOLVED),
        ((*HAPPY, "incident.source_recovered", "incident.alerts_attached", "verification.passed"), Stage.MITIGATED),
        ((*HAPPY[:3], "incident.source_recovered"), Stage.RESOLVED),
        ((*HAPPY[:3], "incident.source_recovered", "approval.withdrawn"), Stage.RESOLVED),
        ((*HAPPY[:3], "approval.rejected"), Stage.REJECTED),
        ((*HAPPY[:3], "approval.rejected", "investigation.started", "diagnosis.concluded"), Stage.REJECTED),
        ((*HAPPY[:3], "approval.rejected", "investigation.started", "recommendation.made/some"), Stage.RECOMMENDED),
        ((*HAPPY[:3], "approval.expired"), Stage.EXPIRED),
        ((*HAPPY[:3], "approval.superseded", "approval.requested"), Stage.AWAITING_APPROVAL),
        ((*HAPPY[:4], "execution.finished/failed", "approval.requested"), Stage.AWAITING_APPROVAL),
        ((*HAPPY, "verification.failed", "rollback.started"), Stage.EXECUTING),
        ((*HAPPY[:4], "handoff.requested"), Stage.NEEDS_HUMAN),
        ((*HAPPY[:4], "incident.source_recovered", "handoff.requested"), Stage.RESOLVED),
        ((*HAPPY[:4], "incident.source_recovered", "handoff.requested/under_way"), Stage.NEEDS_HUMAN),
        (
            (*HAPPY[:4], "handoff.requested", "incident.source_recovered", "handoff.requested/under_way"),
            Stage.NEEDS_HUMAN,
        ),
        ((*HAPPY[:4], "handoff.requested", "execution.resumed", "execution.finished/succeeded"), Stage.VERIFYING),
        ((*HAPPY, "verification.failed", "rollback.started", "rollback.finished/succeeded"), Stage.ROLLED_BACK),
        ((*HAPPY[:4], "execution.cancelled"), Stage.CANCELLED),
        ((*HAPPY[:1], "diagnosis.inconclusive"), Stage.NEEDS_HUMAN),
        ((*HAPPY[:1], "recommendation.made/none"), Stage.NEEDS_HUMAN),
        ((*HAPPY[:2], "plan.refused"), Stage.NEEDS_HUMAN),
        (("incident.source_recovered", "incident.closed", "incident.reopened"), Stage.OPEN),
    ],
)
def test_an_incident_goes_where_its_events_say(events: tuple[str, ...], stage: Stage) -> None:
    assert follow(*events).stage is stage


@given(st.lists(st.sampled_from(ROWS), max_size=30))
def test_a_closed_incident_leaves_that_stage_only_by_being_reopened(rows: list[str]) -> None:
    later = [row for row in rows if row != "incident.reopened"]
    assert follow("incident.closed", *later).stage is Stage.CLOSED


@given(st.lists(st.sampled_from(ROWS), max_size=30))
def test_no_order_of_events_verifies_before_something_was_executed(rows: list[str]) -> None:
    without = [row for row in rows if not row.startswith(("execution.", "rollback."))]
    assert follow(*without).stage not in (Stage.EXECUTING, Stage.VERIFYING, Stage.MITIGATED)


def test_an_event_of_a_newer_version_changes_nothing() -> None:
    assert advance(OPENED, "incident.levitated", {}) == OPENED
    assert variant("execution.finished", {}) == "execution.finished/"
