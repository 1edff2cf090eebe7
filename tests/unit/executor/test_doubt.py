from __future__ import annotations

from typing import Any

import pytest

from services.executor.domain.work import CALL, RECHECK, RECONCILE
from tests.unit.executor.aggregates import types
from tests.unit.executor.story import Story, plan, step

RECOVERY = {"recovered_at": "2027-01-15T08:00:00Z"}


def reconcile(story: Story, outcome: str, detail: str = "by the record") -> list[Any]:
    args = story.executor.newest(RECONCILE).args
    ended = {"execution_id": args["execution_id"], "step_id": args["step_id"]}
    return story.executor.finish(RECONCILE, {**ended, "outcome": outcome, "detail": detail})


def in_doubt(story: Story | None = None) -> Story:
    story = (story or Story()).calling(plan(step("one"), step("two")))
    story.call("unknown", "no answer")
    reconcile(story, "needs_human", "no mark")
    return story


def test_an_unknown_outcome_is_said_and_not_called_again() -> None:
    story = Story().calling()
    doubt = story.call("unknown", "connection reset")
    assert [(event.type, event.body["detail"]) for event in doubt] == [("step.unknown", "connection reset")]
    assert story.executor.count(CALL) == 1
    assert (story.stage, set(story.locks)) == ("executing", {"box-1"})


def test_the_vendors_record_is_read_once_lease_and_limit_and_settle_time_are_over() -> None:
    story = Story().calling()
    began = story.executor.now
    story.executor.wait(10)
    story.call("unknown")
    record = story.executor.newest(RECONCILE)
    assert record.kind == "repeatable"
    assert record.not_before == began + 60 + 30 + 5
    assert record.args["token"] == story.executor.newest(CALL).args["token"]


def test_a_lost_call_is_in_doubt_and_its_record_is_read_after_the_settle_time() -> None:
    story = Story().calling()
    story.executor.now += 300
    assert types(story.executor.lose(CALL)) == ["step.unknown"]
    assert story.executor.newest(RECONCILE).not_before == story.executor.now + 5


def test_a_record_of_success_lets_the_plan_go_on() -> None:
    story = Story().calling(plan(step("one"), step("two")))
    story.call("unknown")
    settled = reconcile(story, "succeeded")
    assert [(event.type, event.body.get("outcome")) for event in settled] == [("step.reconciled", "succeeded")]
    assert story.executor.newest(RECHECK).args["step_id"] == "two"


def test_what_was_not_applied_is_called_again_with_the_same_token_after_a_new_look_and_a_new_permit() -> None:
    story = Story().calling()
    first = story.executor.newest(CALL).args["token"]
    story.executor.lose(CALL)
    assert types(reconcile(story, "not_applied")) == ["step.reconciled"]
    assert story.executor.count(RECHECK) == 2
    assert story.executor.count(CALL) == 1
    again = story.recheck()
    assert [(event.type, event.body["attempt"]) for event in again] == [("step.started", 2)]
    assert story.executor.newest(CALL).args["token"] == first
    assert story.executor.started[-1].id != story.executor.started[0].id
    assert types(story.call()) == ["step.succeeded", "execution.finished"]


def test_what_is_not_applied_again_and_again_is_a_persons_matter() -> None:
    story = Story().calling()
    for _ in range(2):
        story.call("unknown")
        reconcile(story, "not_applied")
        story.recheck()
    story.call("unknown")
    assert types(reconcile(story, "not_applied")) == ["step.reconciled", "handoff.requested"]
    assert story.executor.count(CALL) == 3


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"outcome": "needs_human", "detail": "no mark"}, id="there is neither token nor mark"),
        pytest.param({"error": {"reason": "refused", "detail": "no access"}}, id="the record may not be read"),
    ],
)
def test_a_person_is_asked_and_the_locks_stay_when(result: dict[str, Any]) -> None:
    story = Story().calling()
    story.call("unknown")
    handed = story.executor.finish(RECONCILE, result)
    assert types(handed) == ["step.reconciled", "handoff.requested"]
    assert handed[1].body["execution_id"] == story.execution
    assert (story.stage, story.owed(), set(story.locks)) == ("needs_human", [], {"box-1"})
    story.executor.wait(1e6)
    assert set(story.locks) == {"box-1"}, "a step in doubt keeps its locks for ever"


def test_a_record_that_stays_out_of_reach_is_a_persons_matter() -> None:
    story = Story().calling()
    story.call("unknown")
    handed = story.executor.wait(95 + 600)
    assert types(handed) == ["step.reconciled", "handoff.requested"]
    assert reconcile(story, "succeeded") == []


def test_a_late_success_settles_the_doubt() -> None:
    story = Story().calling()
    call = story.executor.newest(CALL)
    story.executor.lose(CALL)
    settled = story.executor.late(call, {"outcome": "succeeded", "detail": "done at last"})
    assert types(settled) == ["step.reconciled", "execution.finished"]
    assert reconcile(story, "not_applied") == [], "the record is not asked any more"
    assert story.executor.count(CALL) == 1


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"outcome": "failed_safe", "detail": "lease over"}, id="it was refused"),
        pytest.param({"outcome": "unknown", "detail": "reset"}, id="it is unknown"),
        pytest.param({"error": {"reason": "refused", "detail": "lease over"}}, id="it was an error"),
    ],
)
def test_a_late_answer_that_proves_nothing_is_only_told_to_the_person(result: dict[str, Any]) -> None:
    story = Story().calling()
    call = story.executor.newest(CALL)
    story.executor.lose(CALL)
    assert story.executor.late(call, result) == []
    assert "a late answer said" in reconcile(story, "needs_human")[1].body["detail"]


def test_a_late_success_settles_it_even_while_a_person_is_asked() -> None:
    story = Story().calling()
    call = story.executor.newest(CALL)
    story.executor.lose(CALL)
    reconcile(story, "needs_human")
    settled = story.executor.late(call, {"outcome": "succeeded", "detail": ""})
    assert types(settled) == ["execution.resumed", "step.reconciled", "execution.finished"]
    assert story.stage == "verifying"


def test_a_late_success_stops_the_second_call_while_it_can() -> None:
    story = Story().calling()
    call = story.executor.newest(CALL)
    story.executor.lose(CALL)
    reconcile(story, "not_applied")
    assert types(story.executor.late(call, {"outcome": "succeeded", "detail": ""}))[-1] == "execution.finished"
    assert story.recheck() == []
    assert story.executor.count(CALL) == 1


def test_a_late_answer_of_an_earlier_call_says_nothing_about_the_newest() -> None:
    story = Story().calling()
    call = story.executor.newest(CALL)
    story.executor.lose(CALL)
    reconcile(story, "not_applied")
    story.recheck()
    assert story.executor.late(call, {"outcome": "succeeded", "detail": ""}) == []
    assert types(story.call("unknown")) == ["step.unknown"]


def test_a_person_confirms_and_the_plan_goes_on() -> None:
    story = in_doubt()
    said = story.decide("confirm", arguments={"reason": "uptime is 3 min"})
    assert types(said) == ["execution.resumed", "step.reconciled"]
    assert said[1].body["detail"] == "confirmed by Ann: uptime is 3 min"
    assert (story.stage, story.owed()) == ("executing", [f"execution:{story.execution}"])
    story.recheck()
    story.call()
    assert (story.stage, story.executor.count(CALL)) == ("verifying", 2)


def test_a_person_lets_it_be_called_again_with_the_same_token() -> None:
    story = in_doubt()
    token = story.executor.newest(CALL).args["token"]
    assert types(story.decide("retry")) == ["execution.resumed"]
    assert types(story.recheck()) == ["step.started"]
    assert story.executor.newest(CALL).args["token"] == token


def test_a_person_skips_it() -> None:
    story = in_doubt()
    assert types(story.decide("skip")) == ["execution.resumed", "step.skipped"]
    assert story.executor.newest(RECHECK).args["step_id"] == "two"


@pytest.mark.parametrize("verb", ["confirm", "retry", "skip"])
def test_a_doubt_is_settled_by_an_approver_only(verb: str) -> None:
    story = in_doubt()
    assert [event.body["why"] for event in story.decide(verb, "eve")] == ["role"]
    assert [event.body["why"] for event in story.decide(verb, arguments={"step": "two"})] == ["other_step"]
    assert [event.body["why"] for event in story.decide(verb, plan_sha256="b" * 64)] == ["other_plan"]
    assert story.executor.state()["execution"]["phase"] == "in_doubt"


def test_a_doubt_about_high_risk_is_not_settled_by_a_button() -> None:
    story = Story().asked(plan(step("one", risk="high")))
    story.decide()
    story.decide(person="ben")
    story.recheck()
    story.call("unknown")
    reconcile(story, "needs_human")
    assert [event.body["why"] for event in story.decide("retry", via="slack:button")] == ["via"]


def test_a_cancel_while_a_doubt_stands_counts_once_it_is_settled() -> None:
    story = in_doubt()
    assert types(story.decide("cancel", "eve")) == ["execution.paused"]
    assert [event.body["why"] for event in story.decide("retry")] == ["not_now"]
    assert types(story.decide("confirm")) == [
        "execution.resumed",
        "step.reconciled",
        "execution.cancelled",
        "handoff.requested",
    ]
    assert (story.locks, story.owed()) == ({}, [])


def test_the_deadline_does_not_end_a_doubt_but_what_would_follow_it() -> None:
    story = in_doubt()
    story.executor.wait(4000)
    assert set(story.locks) == {"box-1"}
    assert [event.body["why"] for event in story.decide("retry")] == ["not_now"]
    ended = story.decide("confirm")
    assert types(ended) == ["execution.resumed", "step.reconciled", "execution.finished", "handoff.requested"]
    assert (story.locks, story.owed(), story.stage) == ({}, [], "needs_human")


@pytest.mark.parametrize("first", ["recovery", "doubt"])
def test_an_incident_whose_call_is_in_doubt_is_not_resolved_when_its_alerts_recover(first: str) -> None:
    story = Story().calling()
    story.call("unknown")
    if first == "recovery":
        story.executor.event("incident.source_recovered", RECOVERY)
    reconcile(story, "needs_human")
    if first == "doubt":
        assert types(story.executor.event("incident.source_recovered", RECOVERY)) == ["handoff.requested"]
    assert (story.stage, set(story.locks)) == ("needs_human", {"box-1"})
    story.decide("confirm")
    story.read()
    story.executor.wait(120)
    assert types(story.read(*[50.0] * 9)) == ["verification.passed"]
    assert (story.stage, story.locks) == ("resolved", {})
