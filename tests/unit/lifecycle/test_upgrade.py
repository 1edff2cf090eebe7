"""Journals that were written once must be read for ever: each file under `journals` is one, never written anew.

A release that changes events adds the journal of a run of its own; the older ones stay as they are. Two are of whole
runs, the others of what goes wrong, so that together they hold almost every type of event.
"""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from services.notifier.domain.folding import fold
from shared.events.payload import INCIDENTS
from shared.events.registry import EVENTS
from shared.lifecycle.stage import OPENED, advance
from shared.lifecycle.timeline import ELSEWHERE, UNTOLD, Told, timeline

JOURNALS = Path(__file__).parent / "journals"
_SOLVED = "open investigating recommended awaiting_approval executing verifying resolved closed"
STAGES = {
    "high_cpu": _SOLVED,
    "asked_and_judged": _SOLVED,
    "doubt_settled_by_people": "open investigating recommended awaiting_approval executing needs_human executing "
    "verifying failed awaiting_approval expired",
    "rolled_back": "open investigating recommended awaiting_approval executing verifying failed executing needs_human "
    "recommended awaiting_approval expired",
    "recovered_and_reopened": "open investigating recommended awaiting_approval resolved open investigating resolved "
    "closed open investigating needs_human",
    "superseded": "open investigating recommended awaiting_approval recommended awaiting_approval resolved open "
    "investigating recommended awaiting_approval expired",
    "no_plan": "open investigating recommended needs_human",
    "cancelled": "open investigating recommended awaiting_approval cancelled",
    "no_data_to_verify": "open investigating recommended awaiting_approval executing verifying needs_human",
}
"""Journal -> the stages that its incident went through when it was written."""
UNMET = {"incident.assigned", "incident.service_silent", "incident.related", "incident.severity_raised"}
"""Types about incidents that no journal holds yet."""


@pytest.fixture(params=sorted(STAGES))
def name(request: pytest.FixtureRequest) -> str:
    """The name of one journal."""
    return str(request.param)


@pytest.fixture
def rows(name: str) -> list[dict[str, Any]]:
    """The events of one journal, as they were kept."""
    return read(name)


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (JOURNALS / f"{name}.jsonl").read_text("utf-8").splitlines()]


def told(rows: list[dict[str, Any]]) -> list[Told]:
    names = ("id", "type", "time", "source", "body", "causation")
    return [Told(**{name: row[name] for name in names}) for row in rows]


def kept(said: Any, again: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Return what is left of a body, without the names that were added later."""
    if isinstance(said, dict) and isinstance(again, dict):
        return {name: kept(value, again[name]) for name, value in said.items() if name in again}
    if isinstance(said, list) and isinstance(again, list) and len(said) == len(again):
        return [kept(one, other) for one, other in zip(said, again, strict=True)]
    return again


def test_every_journal_is_read_and_all_types_about_incidents_are_among_them() -> None:
    assert {path.stem for path in JOURNALS.glob("*.jsonl")} == set(STAGES)
    met = {row["type"] for name in STAGES for row in read(name)}
    assert {name for name, payload in EVENTS.items() if payload.topic == INCIDENTS} - met == UNMET


def test_every_event_is_read_by_its_class_and_loses_nothing_it_said(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        again = EVENTS[row["type"]].read(row["body"]).model_dump(mode="json")
        assert kept(row["body"], again) == row["body"], row["type"]


def test_the_stages_are_what_they_were(name: str, rows: list[dict[str, Any]]) -> None:
    progress, stages = OPENED, [OPENED.stage]
    for row in rows:
        progress = advance(progress, row["type"], row["body"])
        stages.append(progress.stage)
    assert " ".join(stage for stage, _ in groupby(stages)) == STAGES[name]


def test_every_event_has_its_line_in_the_timeline(rows: list[dict[str, Any]]) -> None:
    lines = {line.id: line.text for line in timeline(told(rows))}
    # What people submit stands in the journal, and has a line only through the answer to it; but for questions.
    told_of = {row["id"] for row in rows if EVENTS[row["type"]].topic == "incidents.v1" or row["type"] in ELSEWHERE}
    wanted = told_of - {row["id"] for row in rows if row["type"] in UNTOLD}
    assert set(lines) == wanted
    assert all(text not in EVENTS for text in lines.values()), "a line that only names its event could not be told"


def test_the_page_shows_the_last_stage_and_what_was_asked(name: str, rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    detail = fold(told(rows), incident_id=first["incident_id"], environment=first["environment"])
    assert detail.overview is not None
    assert detail.overview.incident.stage == STAGES[name].rpartition(" ")[2]
    asked = [row["body"]["approval_id"] for row in rows if row["type"] == "approval.requested"]
    assert [approval["approval_id"] for approval in detail.approvals.values()] == asked
    if STAGES[name] == _SOLVED:
        assert detail.overview.verified.startswith("passed")
        assert [decision["ruling"] for decision in detail.decisions.values()] == ["approval.granted"]
