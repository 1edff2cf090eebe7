from __future__ import annotations

import pytest

from services.executor.domain.work import CALL, PREPARE_PLAN, RECHECK
from tests.unit.executor.aggregates import types
from tests.unit.executor.story import Story, plan, prepared, step

TWO = plan(step("one"), step("two"))


def why(story: Story, verb: str, person: str = "ann") -> str:
    caused = story.decide(verb, person)
    assert types(caused) == ["approval.decision_refused"]
    return str(caused[0].body["why"])


def test_a_cancel_before_the_first_call_means_that_none_is_made() -> None:
    story = Story().granted()
    cancelled = story.decide("cancel", "eve", arguments={"reason": "wait for Ben"})
    assert types(cancelled) == ["execution.cancelled"]
    assert (cancelled[0].body["reason"], cancelled[0].body["actor"]["id"]) == ("wait for Ben", "eve")
    assert story.recheck() == []
    assert (story.stage, story.owed(), story.executor.count(CALL), story.executor.timers()) == ("cancelled", [], 0, {})


def test_a_cancel_may_name_the_approval_of_what_was_granted() -> None:
    story = Story().granted()
    assert types(story.decide("cancel", subject=story.approval)) == ["execution.cancelled"]


def test_a_cancel_between_steps_tells_a_person_what_was_done() -> None:
    story = Story().calling(TWO)
    story.call()
    assert types(story.decide("cancel")) == ["execution.cancelled", "handoff.requested"]
    assert story.recheck() == []
    assert (story.owed(), story.locks, story.executor.count(CALL)) == ([], {}, 1)


def test_a_cancel_while_a_call_is_in_flight_is_answered_at_once_and_stops_before_the_next_call() -> None:
    story = Story().calling(TWO)
    answer = story.decide("cancel")
    assert types(answer) == ["execution.paused"]
    assert answer[0].body["decision_id"].startswith("notifier/decision/")
    assert why(story, "cancel") == "already_cancelled"
    ended = story.call()
    assert types(ended) == ["step.succeeded", "execution.cancelled", "handoff.requested"]
    assert ended[1].body["actor"]["id"] == "ann"
    assert (story.executor.count(CALL), story.locks) == (1, {})


def test_a_cancel_during_the_last_call_leaves_nothing_to_stop() -> None:
    story = Story().calling()
    story.decide("cancel")
    assert types(story.call()) == ["step.succeeded", "execution.finished"]
    assert why(story, "cancel") == "nothing_left"


def test_a_cancel_while_a_call_is_refused_undoes_nothing() -> None:
    story = Story().calling(plan(step("one", undo=True), step("two")))
    story.call()
    story.recheck()
    story.decide("cancel")
    assert types(story.call("failed_safe")) == ["step.failed", "execution.cancelled", "handoff.requested"]


def test_a_cancel_stops_an_undo() -> None:
    story = Story().calling(plan(step("one", undo=True), step("two")))
    story.call()
    story.recheck()
    story.call("failed_safe")
    assert types(story.decide("cancel")) == ["rollback.finished", "handoff.requested"]
    assert (story.owed(), story.locks) == ([], {})


def test_what_is_over_cannot_be_cancelled() -> None:
    story = Story().granted()
    story.decide("cancel")
    assert why(story, "cancel") == "already_ended"
    assert why(story, "resume") == "already_ended"


def test_a_pause_begins_no_further_step_until_somebody_resumes() -> None:
    story = Story().calling(TWO)
    story.call()
    assert types(story.decide("pause", "eve")) == ["execution.paused"]
    assert story.recheck() == []
    story.executor.wait(600)
    assert story.executor.count(RECHECK) == 2
    assert why(story, "resume", "eve") == "role"
    assert types(story.decide("resume")) == ["execution.resumed"]
    assert types(story.recheck()) == ["step.started"]


def test_a_pause_lets_the_call_in_flight_end() -> None:
    story = Story().calling(TWO)
    story.decide("pause")
    assert why(story, "pause") == "not_now"
    assert types(story.call()) == ["step.succeeded"]
    assert story.executor.count(RECHECK) == 1
    assert types(story.decide("resume")) == ["execution.resumed"]
    assert types(story.recheck()) == ["step.started"]


def test_what_is_resumed_before_its_first_step_is_not_executing_yet() -> None:
    story = Story()
    story.recommend()
    story.ask()
    story.executor.wait(300)
    story.decide()
    story.decide("pause")
    assert types(story.decide("resume")) == ["execution.resumed"]
    assert types(story.executor.wait(1800)) == ["approval.expired"]
    assert (story.stage, story.owed()) == ("needs_human", []), "nobody had told people of it; nothing ran"


def test_a_permit_that_comes_during_a_pause_is_handed_back() -> None:
    story = Story().granted()
    story.executor.locals_held = []
    story.recheck()
    story.decide("pause")
    assert story.executor.release() == []
    assert story.executor.count(CALL) == 0
    assert story.executor.state(story.executor.governor)["permits"] == {}


def test_a_paused_plan_ends_at_its_deadline() -> None:
    story = Story().calling(TWO)
    story.call()
    story.decide("pause")
    assert types(story.executor.wait(3600)) == ["execution.finished", "handoff.requested"]
    assert (story.owed(), story.locks) == ([], {})


def test_a_step_may_be_skipped_while_the_plan_is_paused() -> None:
    story = Story().calling(TWO)
    story.call()
    assert why(story, "skip") == "not_now"
    story.decide("pause")
    skipped = story.decide("skip", arguments={"step": "two", "reason": "done by hand"})
    assert types(skipped) == ["step.skipped", "execution.finished"]
    assert (skipped[0].body["reason"], skipped[1].body["outcome"]) == ("done by hand", "succeeded")


def test_a_plan_of_which_every_step_was_skipped_is_cancelled() -> None:
    story = Story().granted()
    story.decide("pause")
    assert types(story.decide("skip")) == ["step.skipped", "execution.cancelled"]
    assert (story.owed(), story.executor.timers()) == ([], {})


@pytest.mark.parametrize("verb", ["confirm", "retry"])
def test_only_a_doubt_can_be_settled(verb: str) -> None:
    assert why(Story().calling(), verb) == "not_now"


def test_a_message_that_cannot_be_handled_parks_the_incident_and_asks_a_person() -> None:
    story = Story().calling(TWO)
    broken = story.executor.event("recommendation.superseded", {"reason": 1})
    assert types(broken) == ["handoff.requested", "message.dead"]
    assert broken[0].body["why"] == "parked"
    assert types(story.call()) == ["step.succeeded"]
    assert story.executor.count(RECHECK) == 1, "no new intent"
    assert types(story.decide("resume")) == ["execution.resumed"]
    assert types(story.recheck()) == ["step.started"]


def test_cancel_and_expiry_still_work_for_a_parked_incident() -> None:
    story = Story().asked()
    story.executor.event("recommendation.superseded", {"reason": 1})
    assert why(story, "approve") == "parked"
    assert types(story.executor.wait(1800)) == ["approval.reminded", "approval.expired"]
    story = Story().calling(TWO)
    story.executor.event("recommendation.superseded", {"reason": 1})
    story.call()
    assert types(story.decide("cancel")) == ["execution.cancelled", "handoff.requested"]
    assert (story.owed(), story.locks) == ([], {})


def test_a_call_whose_result_cannot_be_taken_is_in_doubt() -> None:
    story = Story().calling()
    dead = story.executor.finish(CALL, ["no", "object"])
    assert types(dead) == ["step.unknown", "handoff.requested", "message.dead"]
    assert set(story.locks) == {"box-1"}
    assert types(story.decide("confirm")) == ["execution.resumed", "step.reconciled", "execution.finished"]


def test_a_plan_that_cannot_be_taken_is_refused() -> None:
    story = Story()
    story.recommend()
    dead = story.executor.finish(PREPARE_PLAN, {**prepared(plan()), "clauses": "none"})
    assert types(dead) == ["plan.refused", "handoff.requested", "message.dead"]
    assert story.owed() == []


def test_a_result_that_nobody_waits_for_changes_nothing() -> None:
    story = Story().calling(TWO)
    state = story.executor.state()
    done = {"id": "INC-ABCDEFGHIJ:other", "name": CALL, "result": {"outcome": "succeeded"}}
    assert story.executor.give("x", "activity.done", done) == []
    assert story.recheck() == []
    assert story.executor.state() == state
