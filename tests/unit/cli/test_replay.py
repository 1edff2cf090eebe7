from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli import replay as replaying
from cli.errors import Exit
from cli.replay import Approve, Follower, Replay


def detail(stage: str, *outcomes: str) -> dict[str, Any]:
    verifications = [{"outcome": found} for found in outcomes]
    return {"incident": {"id": "INC-1", "stage": stage}, "verifications": verifications, "summary": {"sentences": []}}


def verdict(*details: dict[str, Any], approve: Approve = "auto", wait: bool = True) -> Exit | None:
    replay = Replay("any", Path(), approve=approve, wait=wait)
    return Follower(replay, "sim:1", client=None).verdict(list(details))  # type: ignore[arg-type]  # judges what was read; asks nobody


@pytest.mark.parametrize(
    "details, code",
    [
        pytest.param([], None, id="no incident yet: go on"),
        pytest.param([detail("investigating")], None, id="it is investigated: go on"),
        pytest.param([detail("verifying")], None, id="it is verified: go on"),
        pytest.param([detail("closed", "passed")], Exit.DONE, id="closed and verified: done"),
        pytest.param([detail("closed", "failed")], Exit.FAILED, id="closed although verification failed: failed"),
        pytest.param([detail("closed", "failed", "passed")], Exit.DONE, id="a second plan helped: done"),
        pytest.param([detail("closed")], Exit.WAITING, id="closed and nothing was ever verified: a person looks"),
        pytest.param([detail("closed", "passed"), detail("executing")], None, id="one of two is open: go on"),
    ],
)
def test_a_replay_ends_when(details: list[dict[str, Any]], code: Exit | None) -> None:
    assert verdict(*details) is code


@pytest.mark.parametrize(
    "approve, wait, code",
    [
        pytest.param("never", True, Exit.WAITING, id="nobody will approve: it waits for a person"),
        pytest.param("ask", True, None, id="a person is asked and the replay stays"),
        pytest.param("ask", False, Exit.DONE, id="a person is asked and the replay leaves"),
        pytest.param("auto", True, None, id="the sample approver has approved: go on"),
    ],
)
def test_at_the_question(*, approve: Approve, wait: bool, code: Exit | None) -> None:
    assert verdict(detail("awaiting_approval"), approve=approve, wait=wait) is code


@pytest.mark.parametrize(
    "stage, outcomes, code",
    [
        pytest.param("needs_human", [], Exit.WAITING, id="nobody knows on"),
        pytest.param("rejected", [], Exit.WAITING, id="a person said no"),
        pytest.param("rolled_back", ["failed"], Exit.FAILED, id="it was undone because it did not help"),
    ],
)
def test_an_incident_that_stands_still_is_given_a_moment_before_the_replay_ends(
    monkeypatch: pytest.MonkeyPatch, stage: str, outcomes: list[str], code: Exit
) -> None:
    follower = Follower(Replay("any", Path(), wait=True), "sim:1", client=None)  # type: ignore[arg-type]  # as above
    halted = [detail(stage, *outcomes)]

    assert follower.verdict(halted) is None
    monkeypatch.setattr(replaying, "HALTED_FOR", 0.0)
    assert follower.verdict(halted) is code


def test_a_closed_incident_is_given_a_moment_for_its_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(Replay("any", Path(), wait=True), "sim:1", client=None)  # type: ignore[arg-type]  # as above
    closed = [{**detail("closed", "passed"), "summary": None}]

    assert follower.verdict(closed) is None
    monkeypatch.setattr(replaying, "HALTED_FOR", 0.0)
    assert follower.verdict(closed) is Exit.DONE
