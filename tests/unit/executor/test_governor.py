from __future__ import annotations

from typing import Any

import pytest

from services.executor.domain.governing import Asked, Governor, grant, put, release, tidy
from services.executor.domain.policy import Caps
from services.executor.domain.work import CALL, RECHECK
from tests.unit.executor.aggregates import NOW, types
from tests.unit.executor.story import Story, plan, step

CAPS = Caps(executions_per_hour=4, same_target_per_hour=2, cooldown_seconds=60)


def ask(execution: str, *targets: str, rollback: bool = False) -> Asked:
    return Asked(execution, f"INC-{execution}", "one", targets or ("box",), rollback)


def governor(**state: Any) -> Governor:  # noqa: ANN401 -- fields of Governor
    return Governor(environment="sim:t", **state)


def ran(state: Governor, execution: str, *targets: str, at: float, changed: bool = True) -> None:
    assert grant(state, ask(execution, *targets), f"p-{execution}", CAPS, at) is None
    release(state, execution, changed=changed, now=at)


def reason(state: Governor, asked: Asked, now: float = NOW, caps: Caps = CAPS) -> tuple[str, float | None]:
    tidy(state, caps, now)
    refusal = grant(state, asked, "p", caps, now)
    if refusal is None:
        return "", None
    return refusal.reason.partition(":")[0], None if refusal.retry_at is None else refusal.retry_at - now


def test_a_permit_locks_every_target_of_the_plan() -> None:
    state = governor()
    assert grant(state, ask("a", "box", "bin"), "p1", CAPS, NOW) is None
    assert set(state.locks) == {"box", "bin"}
    assert state.permits == {"p1": {"execution": "a", "step": "one", "ends": NOW + 5}}


def test_a_target_that_another_execution_holds_is_asked_for_again_soon() -> None:
    state = governor()
    grant(state, ask("a"), "p1", CAPS, NOW)
    assert reason(state, ask("b", "bin", "box")) == ("locked", 5)
    assert set(state.locks) == {"box"}, "a refusal takes nothing"


def test_an_execution_gets_its_own_targets_again_for_each_step_however_long_it_runs() -> None:
    state = governor()
    grant(state, ask("a"), "p1", CAPS, NOW)
    tidy(state, CAPS, NOW + 7200)
    for number in range(4):
        ran(state, f"other-{number}", f"bin-{number}", at=NOW + 7200)
    assert reason(state, ask("b", "bag"), NOW + 7201)[0] == "cap"
    assert reason(state, ask("a"), NOW + 7201) == ("", None)


def test_a_lock_is_not_released_by_time() -> None:
    state = governor()
    grant(state, ask("a"), "p1", CAPS, NOW)
    assert reason(state, ask("b"), NOW + 1e6) == ("locked", 5)


def test_a_target_rests_after_a_change() -> None:
    state = governor()
    ran(state, "a", at=NOW)
    assert reason(state, ask("b"), NOW + 20) == ("cooldown", 40)
    assert reason(state, ask("b"), NOW + 60) == ("", None)


def test_a_target_rests_for_as_long_as_the_policy_says_be_it_hours() -> None:
    state, long = governor(), CAPS.model_copy(update={"cooldown_seconds": 7200})
    ran(state, "a", at=NOW)
    assert reason(state, ask("b"), NOW + 3700, long) == ("cooldown", 3500)
    assert reason(state, ask("b"), NOW + 7200, long) == ("", None)


def test_the_loop_breaker_ends_the_third_change_of_a_target_within_an_hour() -> None:
    state = governor()
    ran(state, "a", at=NOW)
    ran(state, "b", at=NOW + 100)
    assert reason(state, ask("c"), NOW + 200) == ("loop", None)
    assert reason(state, ask("c", "bin"), NOW + 200) == ("", None)
    assert reason(state, ask("d"), NOW + 3601) == ("", None)


def test_a_cap_bounds_executions_within_an_hour_and_says_when_the_next_may_begin() -> None:
    state = governor()
    for number in range(4):
        ran(state, f"e{number}", f"box-{number}", at=NOW + number)
    assert reason(state, ask("z"), NOW + 600) == ("cap", 3000)


def test_an_execution_that_changed_nothing_leaves_no_cooldown_and_counts_for_no_cap() -> None:
    state = governor()
    for number in range(6):
        ran(state, f"e{number}", at=NOW + number, changed=False)
    assert reason(state, ask("z"), NOW + 10) == ("", None)


@pytest.mark.parametrize(
    "allow, rollback, refused",
    [
        pytest.param(False, False, "frozen", id="a freeze stops steps"),
        pytest.param(False, True, "frozen", id="a freeze stops rollbacks too"),
        pytest.param(True, False, "frozen", id="a freeze that allows rollbacks stops steps"),
        pytest.param(True, True, "", id="a freeze that allows rollbacks lets them through"),
    ],
)
def test_a_freeze_is_over_everything(allow: bool, rollback: bool, refused: str) -> None:  # noqa: FBT001 -- a table
    state = governor()
    put(state, frozen=True, allow_rollback=allow, person="ann")
    assert reason(state, ask("a", rollback=rollback))[0] == refused


def test_the_end_of_a_freeze_allows_everything_again() -> None:
    state = governor()
    put(state, frozen=True, allow_rollback=True, person="ann")
    put(state, frozen=False, allow_rollback=False, person="ann")
    assert (state.frozen, state.allow_rollback, state.frozen_by) == (False, False, "")


def test_a_freeze_commits_in_the_governor_and_its_answer_lists_the_permits_that_are_out() -> None:
    story = Story().calling()
    reply = story.freeze(allow_rollback=True)
    assert (reply["frozen"], reply["allow_rollback"]) == (True, True)
    assert [permit["execution"] for permit in reply["permits_out"]] == [story.execution]
    assert story.freeze("unfreeze")["frozen"] is False


@pytest.mark.parametrize(
    "verb, person, wrong, refused",
    [
        pytest.param("unfreeze", "eve", {}, "role", id="a responder may freeze but not end a freeze"),
        pytest.param("freeze", "mallory", {}, "unknown_person", id="nobody unknown may freeze"),
        pytest.param("freeze", "ann", {"age": 1000}, "too_old", id="an old decision does not freeze"),
        pytest.param("freeze", "ann", {"environment": "live"}, "other_environment", id="it is for another environment"),
        pytest.param("cancel", "ann", {}, "unknown_verb", id="another verb is no freeze"),
        pytest.param("freeze", "ann", {"kid": "k9"}, "not trusted", id="an unknown key does not freeze"),
    ],
)
def test_a_freeze_is_ruled_on_like_any_decision(verb: str, person: str, wrong: dict[str, Any], refused: str) -> None:
    story = Story().asked()
    story.freeze("unfreeze")
    reply = story.control(story.signed(verb, person, incident_id="", subject="sim:t", **wrong))
    assert refused in reply["refused"]
    assert story.executor.state(story.executor.governor)["frozen"] is False


def test_a_freeze_that_is_played_again_changes_nothing() -> None:
    story = Story().asked()
    body = story.signed("freeze", incident_id="", subject="sim:t")
    first = story.control(body)
    story.freeze("unfreeze")
    assert story.control(body) == first
    assert story.executor.state(story.executor.governor)["frozen"] is False


def test_the_governor_refuses_an_asker_whose_question_it_cannot_read_and_goes_on() -> None:
    story = Story().granted()
    executor = story.executor
    asked = {"incident": "INC-ABCDEFGHIJ", "environment": "sim:t", "execution": story.execution}
    executor.give("broken", "permit.asked", asked, to=executor.governor)
    assert executor.dead == ["permit.asked: KeyError: 'step'"]
    assert types(story.recheck()) == ["execution.started", "step.started"]


def test_a_freeze_holds_an_execution_and_says_so_once() -> None:
    story = Story().calling(plan(step("one"), step("two")))
    story.freeze()
    story.call()
    assert types(story.recheck()) == ["execution.paused"]
    for _ in range(5):
        story.executor.wait(15)
        assert story.recheck() == []
    story.freeze("unfreeze")
    story.executor.wait(15)
    assert types(story.recheck()) == ["execution.resumed", "step.started"]


def test_a_freeze_before_the_claim_lets_the_approval_expire() -> None:
    story = Story().granted()
    story.freeze()
    assert types(story.recheck()) == ["execution.paused"]
    caused = []
    for _ in range(130):
        looks = story.executor.count(RECHECK)
        caused += story.executor.wait(15)
        if story.executor.count(RECHECK) > looks:
            caused += story.recheck()
    assert types(caused) == ["approval.expired"]
    assert story.executor.count(CALL) == 0
    assert story.executor.timers() == {}


def test_a_permit_that_comes_too_late_is_handed_back_and_asked_for_again() -> None:
    story = Story().granted()
    executor = story.executor
    executor.locals_held = []
    story.recheck()
    held, executor.locals_held = executor.locals_held, []
    aggregate, message_id, type_, body = held[0]
    executor.give(message_id, type_, body, to=aggregate)
    answer = executor.locals_held[0]
    executor.locals_held = None
    executor.now += 6
    looks = executor.count(RECHECK)
    assert executor.give(answer[1], answer[2], answer[3]) == []
    assert executor.count(CALL) == 0
    assert executor.state(executor.governor)["permits"] == {}
    assert executor.count(RECHECK) == looks + 1
    assert types(story.recheck()) == ["execution.started", "step.started"]


def test_a_permit_for_an_approval_that_was_withdrawn_meanwhile_calls_nothing() -> None:
    story = Story().granted()
    executor = story.executor
    executor.locals_held = []
    story.recheck()
    assert types(story.decide("withdraw")) == ["approval.withdrawn"]
    assert executor.release() == []
    assert executor.count(CALL) == 0
    assert story.locks == {}
    assert executor.state(executor.governor)["permits"] == {}


def test_the_loop_breaker_cancels_what_was_granted() -> None:
    story = Story().asked()
    for number in range(3):
        asked = {"incident": "INC-ZZZZZZZZZZ", "execution": f"e{number}", "step": "one", "targets": ["box-1"]}
        governor_id = story.executor.governor
        whole = {**asked, "environment": "sim:t", "rollback": False}
        story.executor.give(f"ask-{number}", "permit.asked", whole, to=governor_id)
        ended = {"incident": "INC-ZZZZZZZZZZ", "execution": f"e{number}", "changed": True}
        story.executor.give(f"end-{number}", "execution.ended", ended, to=governor_id)
        story.executor.now += 61
    story.decide()
    cancelled = story.recheck()
    assert types(cancelled) == ["execution.cancelled"]
    assert cancelled[0].body["reason"].startswith("loop: box-1")
    assert story.executor.timers() == {}


@pytest.mark.parametrize("held_up", ["the question to the governor", "the look itself"])
def test_a_step_that_was_looked_at_long_ago_is_looked_at_again_before_its_call(held_up: str) -> None:
    story = Story().granted()
    if held_up == "the look itself":
        args, read_at = story.executor.newest(RECHECK).args, story.executor.now
        story.executor.now += 120
        found = {"execution_id": args["execution_id"], "step_id": "one", "ok": True, "why": "", "detail": ""}
        story.executor.finish(RECHECK, {**found, "before": {}, "read_at": read_at})
    else:
        story.executor.locals_held = []
        story.recheck()
        story.executor.now += 120
        story.executor.release()
    assert (story.executor.count(CALL), story.executor.count(RECHECK)) == (0, 2)
    assert types(story.recheck()) == ["execution.started", "step.started"]
