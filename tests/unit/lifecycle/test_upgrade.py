"""Journals that were written once must be read for ever: each file under `journals` is one, never written anew.

A release that changes events adds the journal of a run of its own; the older ones stay as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.notifier.domain.folding import fold
from shared.events.registry import EVENTS
from shared.incident.enums import Stage
from shared.lifecycle.stage import OPENED, advance
from shared.lifecycle.timeline import ELSEWHERE, UNTOLD, Told, timeline

JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.jsonl"))


@pytest.fixture(params=JOURNALS, ids=lambda path: path.stem)
def rows(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The events of one journal, as they were kept."""
    return [json.loads(line) for line in request.param.read_text("utf-8").splitlines()]


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


def test_there_is_a_journal() -> None:
    assert JOURNALS


def test_every_event_is_read_by_its_class_and_loses_nothing_it_said(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        again = EVENTS[row["type"]].read(row["body"]).model_dump(mode="json")
        assert kept(row["body"], again) == row["body"], row["type"]


def test_the_stage_is_what_it_was(rows: list[dict[str, Any]]) -> None:
    progress = OPENED
    stages = []
    for row in rows:
        progress = advance(progress, row["type"], row["body"])
        stages.append(progress.stage)
    wanted = (Stage.AWAITING_APPROVAL, Stage.EXECUTING, Stage.VERIFYING, Stage.CLOSED)
    assert [stage for stage in dict.fromkeys(stages) if stage in wanted] == list(wanted)


def test_every_event_has_its_line_in_the_timeline(rows: list[dict[str, Any]]) -> None:
    lines = {line.id: line.text for line in timeline(told(rows))}
    # What people submit stands in the journal, and has a line only through the answer to it; but for questions.
    told_of = {row["id"] for row in rows if EVENTS[row["type"]].topic == "incidents.v1" or row["type"] in ELSEWHERE}
    wanted = told_of - {row["id"] for row in rows if row["type"] in UNTOLD}
    assert set(lines) == wanted
    assert all(text not in EVENTS for text in lines.values()), "a line that only names its event could not be told"


def test_the_page_shows_what_happened(rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    detail = fold(told(rows), incident_id=first["incident_id"], environment=first["environment"])
    assert detail.overview is not None
    assert detail.overview.incident.stage is Stage.CLOSED
    assert detail.overview.verified.startswith("passed")
    assert [decision["ruling"] for decision in detail.decisions.values()] == ["approval.granted"]
