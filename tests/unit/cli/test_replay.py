from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli import replay as replaying
from cli.errors import Exit, HintedError
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


NO = "ingest answered 401 at http://127.0.0.1:8701/webhooks/datadog: no"
BUSY = "ingest answered 503 at http://127.0.0.1:8701/webhooks/datadog: later"


def minded(seconds: float, *problems: str, refused: bool, begun: bool) -> HintedError | None:
    """Return with what a replay ends of which the world could not deliver something for so long."""
    follower = Follower(Replay("any", Path()), "sim:1", client=None)  # type: ignore[arg-type]  # as above
    follower.mind({"problems": problems, "refused": refused}, begun=begun)
    if follower.untaken_since is not None:
        follower.untaken_since -= seconds
    try:
        follower.mind({"problems": problems, "refused": refused}, begun=begun)
    except HintedError as error:
        return error
    return None


@pytest.mark.parametrize(
    "code, seconds, problems, refused, begun",
    [
        pytest.param(None, 3600.0, [], False, False, id="all was taken: go on"),
        pytest.param(None, 0.0, [NO], True, False, id="refused just now, perhaps between two secrets: go on"),
        pytest.param(Exit.REFUSED, 5.0, [NO], True, False, id="refused for a while"),
        pytest.param(Exit.REFUSED, 5.0, [NO, BUSY], True, True, id="one of two refused, though an incident is there"),
        pytest.param(None, 30.0, [BUSY], False, False, id="away for half a minute: go on"),
        pytest.param(Exit.UNREACHABLE, 60.0, [BUSY], False, False, id="away for a minute and nothing begun"),
        pytest.param(None, 3600.0, [BUSY], False, True, id="away while an incident goes on: go on"),
    ],
)
def test_webhooks_that_ingest_does_not_take_end_a_replay_when(
    code: Exit | None, seconds: float, problems: list[str], *, refused: bool, begun: bool
) -> None:
    error = minded(seconds, *problems, refused=refused, begun=begun)

    assert (error and error.code) is code
    assert error is None or all(problem in str(error) for problem in problems)


def test_what_is_not_taken_is_told_once_and_is_forgotten_once_it_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    follower = Follower(Replay("any", Path()), "sim:1", client=None)  # type: ignore[arg-type]  # as above
    for problems in ([BUSY], [BUSY], []):
        follower.mind({"problems": problems, "refused": False}, begun=False)

    assert capsys.readouterr().err == f"{BUSY}; the world sends it again\n"
    assert follower.untaken_since is None
