from __future__ import annotations

from typing import Any

import pytest

from services.executor.domain.work import CALL, PREPARE_PLAN, RECHECK, RECONCILE, VERIFY_READ
from tests.unit.executor.aggregates import Told, types
from tests.unit.executor.story import Story, plan, prepared, step

UNDO = plan(step("one", undo=True), step("two"), step("three", undo=True))
RECOVERY = {"recovered_at": "2027-01-15T08:00:00Z"}


def fail_verification(story: Story) -> list[Told]:
    story.read()
    story.executor.wait(600)
    return story.read(*[90.0] * 41)


def test_a_failed_verification_without_undo_or_next_runbook_is_handed_to_a_person() -> None:
    story = Story().verifying()
    failed = fail_verification(story)
    assert types(failed) == ["verification.failed", "handoff.requested"]
    assert failed[1].body["detail"] == "Load stays low: last read 90.0 %"
    assert (story.stage, story.owed(), story.locks, story.executor.timers()) == ("needs_human", [], {}, {})


def test_a_failed_verification_undoes_what_declares_an_undo_last_step_first() -> None:
    story = Story().verifying(UNDO)
    assert types(fail_verification(story)) == ["verification.failed", "rollback.started"]
    assert set(story.locks) == {"box-1"}
    looked = story.executor.newest(RECHECK).args
    assert (looked["step_id"], looked["rollback"]) == ("three", True)
    started = story.recheck()
    assert (types(started), started[0].body["rollback"]) == (["step.started"], True)
    call = story.executor.newest(CALL).args
    assert (call["verb"], call["arguments"], call["limit"]) == ("thing/undo@v1", {"step": "three"}, 20)
    story.call()
    story.recheck()
    ended = story.call()
    assert types(ended) == ["step.succeeded", "rollback.finished"]
    assert (ended[1].body["outcome"], ended[1].body["detail"]) == ("succeeded", "without a declared undo: Do two")
    assert (story.stage, story.owed(), story.locks) == ("rolled_back", [], {})


def test_an_undo_has_a_token_of_its_own() -> None:
    story = Story().verifying(UNDO)
    fail_verification(story)
    story.recheck()
    tokens = [one.args["token"] for one in story.executor.started if one.name == CALL]
    assert len(set(tokens)) == len(tokens) == 4


def test_the_next_ranked_runbook_gets_a_plan_and_an_approval_of_its_own_after_a_failed_verification() -> None:
    story = Story()
    story.recommend("fix-it", "fix-more")
    story.ask()
    story.notice()
    story.decide()
    story.recheck()
    story.call()
    assert types(fail_verification(story)) == ["verification.failed"]
    assert story.executor.newest(PREPARE_PLAN).args["item"]["runbook_id"] == "fix-more"
    assert types(story.ask(plan(runbook="fix-more"))) == ["approval.requested"]
    assert (story.stage, story.approval) == ("awaiting_approval", "apr-abcdefghij-2")
    assert [event.body["why"] for event in story.decide(subject="apr-abcdefghij-1")] == ["already_decided"]
    assert types(story.decide()) == ["approval.granted"]
    assert types(story.recheck()) == ["execution.paused"], "the target rests a moment"
    story.executor.wait(60)
    assert types(story.recheck()) == ["execution.started", "step.started"]


def test_the_next_ranked_runbook_follows_an_undo_too() -> None:
    story = Story()
    story.recommend("fix-it", "fix-more")
    story.ask(plan(step("one", undo=True)))
    story.decide()
    story.recheck()
    story.call()
    fail_verification(story)
    story.recheck()
    assert types(story.call()) == ["step.succeeded", "rollback.finished"]
    assert story.executor.count(PREPARE_PLAN) == 2


def test_a_person_is_asked_when_the_next_ranked_runbook_gets_no_plan() -> None:
    story = Story()
    story.recommend("fix-it", "fix-more")
    story.ask()
    story.decide()
    story.recheck()
    story.call()
    fail_verification(story)
    refused = story.executor.finish(PREPARE_PLAN, prepared(plan(runbook="fix-more"), holds=False))
    assert types(refused) == ["plan.refused", "handoff.requested"]
    assert (story.stage, story.owed()) == ("needs_human", [])


def test_nothing_more_is_tried_when_the_source_has_recovered_meanwhile() -> None:
    story = Story()
    story.recommend("fix-it", "fix-more")
    story.ask()
    story.decide()
    story.recheck()
    story.executor.event("incident.source_recovered", RECOVERY)
    story.call()
    assert types(fail_verification(story)) == ["verification.failed"]
    assert (story.stage, story.owed(), story.executor.count(PREPARE_PLAN)) == ("resolved", [], 1)


def test_no_data_are_unknown_and_never_a_pass() -> None:
    story = Story().verifying()
    story.read()
    caused = []
    for _ in range(30):
        caused += story.executor.wait(30)
        if not caused:
            caused += story.read()
    assert types(caused) == ["verification.unknown", "handoff.requested"]
    assert caused[0].body["result"]["outcome"] == "unknown"
    assert (story.stage, story.owed(), story.locks) == ("needs_human", [], {})


def test_measurements_that_are_missing_in_between_are_unknown_and_undo_nothing() -> None:
    story = Story().verifying(UNDO)
    story.read()
    story.executor.wait(600)
    end = story.read(*[50.0] * 6, every=120.0, step=15.0)
    assert types(end) == ["verification.unknown", "handoff.requested"]
    assert end[0].body["result"]["detail"] == "measurements are missing in between"


def test_a_monitoring_that_never_answers_is_unknown() -> None:
    story = Story().verifying()
    began = story.executor.now
    assert types(story.executor.wait(660)) == ["verification.unknown", "handoff.requested"]
    assert story.executor.now == began + 660
    assert story.executor.timers() == {}


def test_a_read_that_fails_is_tried_again_and_told() -> None:
    story = Story().verifying()
    story.executor.finish(VERIFY_READ, {"error": {"reason": "not_found", "detail": "no such metric"}})
    caused = story.executor.wait(660)
    assert story.executor.count(VERIFY_READ) > 1
    assert "no such metric" in caused[0].body["result"]["detail"]


def test_a_sped_up_world_is_judged_by_its_own_time() -> None:
    story = Story().verifying()
    story.read(pace=30.0)
    began = story.executor.now
    assert story.executor.wait(3.9) == []
    assert story.executor.count(VERIFY_READ) == 1
    story.executor.wait(0.1)
    assert story.executor.count(VERIFY_READ) == 2, "120 data seconds are 4 seconds here"
    assert types(story.read(*[50.0] * 9, pace=30.0)) == ["verification.passed"]
    assert story.executor.now == began + 4


def test_a_step_that_was_refused_ends_the_plan_without_any_further_call() -> None:
    story = Story().calling(plan(step("one"), step("two")))
    ended = story.call("failed_safe", "access denied")
    assert types(ended) == ["step.failed", "execution.finished", "handoff.requested"]
    assert ended[1].body["outcome"] == "failed"
    assert (story.stage, story.owed(), story.locks) == ("needs_human", [], {})


def test_an_error_before_the_call_proves_that_nothing_was_done() -> None:
    story = Story().calling()
    ended = story.executor.finish(CALL, {"error": {"reason": "refused", "detail": "no actuator"}})
    assert types(ended) == ["step.failed", "execution.finished", "handoff.requested"]


def test_an_outcome_nobody_knows_is_a_doubt() -> None:
    assert types(Story().calling().call("maybe")) == ["step.unknown"]


def test_a_refused_step_undoes_the_steps_before_it() -> None:
    story = Story().calling(UNDO)
    story.call()
    story.recheck()
    ended = story.call("failed_safe")
    assert types(ended) == ["step.failed", "execution.finished", "rollback.started"]
    story.recheck()
    assert types(story.call()) == ["step.succeeded", "rollback.finished"]
    assert (story.stage, story.owed(), story.locks) == ("rolled_back", [], {})


@pytest.mark.parametrize(
    "how, said, outcome",
    [
        pytest.param("refused", ["step.failed"], "failed", id="the undo is refused"),
        pytest.param("recheck", [], "needs_human", id="the look before the undo says no"),
    ],
)
def test_an_undo_that_does_not_go_through_is_handed_to_a_person(how: str, said: list[str], outcome: str) -> None:
    story = Story().verifying(plan(step("one", undo=True)))
    fail_verification(story)
    if how == "recheck":
        ended = story.recheck(ok=False)
    else:
        story.recheck()
        ended = story.call("failed_safe")
    assert types(ended) == [*said, "rollback.finished", "handoff.requested"]
    assert ended[-2].body["outcome"] == outcome
    assert (story.stage, story.owed(), story.locks) == ("needs_human", [], {})


def test_an_undo_in_doubt_keeps_its_locks_until_a_person_decides() -> None:
    story = Story().verifying(plan(step("one", undo=True)))
    fail_verification(story)
    story.recheck()
    assert types(story.call("unknown")) == ["step.unknown"]
    assert types(story.executor.finish(RECONCILE, {"outcome": "needs_human", "detail": ""}))[-1] == "handoff.requested"
    assert set(story.locks) == {"box-1"}
    assert types(story.decide("confirm")) == ["execution.resumed", "step.reconciled", "rollback.finished"]
    assert (story.stage, story.owed(), story.locks) == ("rolled_back", [], {})


def test_a_freeze_stops_an_undo_unless_it_allows_it() -> None:
    story = Story().verifying(plan(step("one", undo=True)))
    story.freeze()
    fail_verification(story)
    assert types(story.recheck()) == ["execution.paused"]
    story.freeze(allow_rollback=True)
    story.executor.wait(15)
    assert types(story.recheck()) == ["execution.resumed", "step.started"]


@pytest.mark.parametrize(
    "result, reason",
    [
        pytest.param({"ok": False, "why": "target", "detail": "box-1 is gone", "before": {}}, "box-1 is gone", id="no"),
        pytest.param({"error": {"reason": "not_found", "detail": "no such box"}}, "no such box", id="it cannot look"),
    ],
)
def test_a_look_before_the_first_step_may_only_cancel(result: dict[str, Any], reason: str) -> None:
    story = Story().granted()
    cancelled = story.executor.finish(RECHECK, result)
    assert types(cancelled) == ["execution.cancelled"]
    assert reason in cancelled[0].body["reason"]
    assert (story.stage, story.owed(), story.executor.count(CALL)) == ("cancelled", [], 0)
    assert story.executor.timers() == {}


def test_a_look_that_says_no_halfway_tells_a_person_what_was_done() -> None:
    story = Story().calling(UNDO)
    story.call()
    cancelled = story.recheck(ok=False)
    assert types(cancelled) == ["execution.cancelled", "handoff.requested"]
    assert cancelled[1].body["detail"].startswith("1 of 3 step(s) done: Do one")
    assert (story.owed(), story.locks) == ([], {})


def test_expiry_after_the_claim_stops_nothing() -> None:
    story = Story().calling()
    story.executor.wait(1800)
    assert types(story.call()) == ["step.succeeded", "execution.finished"]


def test_what_is_left_at_the_deadline_needs_a_new_plan() -> None:
    story = Story().calling(UNDO)
    story.call()
    ended = story.executor.wait(3600)
    assert types(ended) == ["execution.finished", "handoff.requested"]
    assert (ended[0].body["outcome"], story.owed(), story.locks) == ("failed", [], {})
    assert story.recheck() == []


def test_a_call_that_ends_after_the_deadline_is_the_last_one() -> None:
    story = Story().calling(UNDO)
    assert story.executor.wait(3601) == []
    assert types(story.call()) == ["step.succeeded", "execution.finished", "handoff.requested"]
    assert story.executor.count(CALL) == 1


def test_nothing_is_undone_after_the_deadline() -> None:
    story = Story().verifying(plan(step("one", undo=True), within_seconds=3600, for_seconds=3000))
    story.read()
    story.executor.wait(3600)
    assert types(story.read(*[90.0] * 241)) == ["verification.failed", "handoff.requested"]


def test_closing_the_incident_takes_a_question_back() -> None:
    story = Story().asked()
    assert types(story.executor.event("incident.closed", {"reason": "person"})) == ["approval.withdrawn"]
    late = story.recommend(recommendation="r2")
    assert [(event.type, event.body["why"]) for event in late] == [("plan.refused", "closed")]


def test_closing_the_incident_stops_what_runs_before_its_next_call() -> None:
    story = Story().calling(plan(step("one"), step("two")))
    assert types(story.executor.event("incident.closed", {"reason": "person"})) == ["execution.paused"]
    assert types(story.call()) == ["step.succeeded", "execution.cancelled", "handoff.requested"]
    assert (story.locks, story.executor.count(CALL)) == ({}, 1)


def test_reopening_lets_the_next_recommendation_be_worked_on() -> None:
    story = Story().asked()
    story.executor.event("incident.closed", {"reason": "person"})
    story.executor.event("incident.reopened", {"reason": "again"})
    story.recommend(recommendation="r2")
    assert types(story.ask()) == ["approval.requested"]


def test_reopening_takes_up_nothing_that_is_parked_for_what_cannot_be_handled() -> None:
    story = Story().calling(plan(step("one"), step("two")))
    story.executor.event("recommendation.superseded", {"reason": 1})
    story.executor.event("incident.source_recovered", RECOVERY)
    story.executor.event("incident.reopened", {"reason": "it fires again"})
    assert types(story.call()) == ["step.succeeded"]
    assert story.executor.count(RECHECK) == 1, "no new intent until a person resumes"
