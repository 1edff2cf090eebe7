from __future__ import annotations

from services.executor.domain.work import CALL, RECHECK, VERIFY_READ
from tests.unit.executor.aggregates import types
from tests.unit.executor.story import Story, plan, step


def test_a_recommendation_becomes_a_question_with_exactly_the_bytes_that_will_run() -> None:
    story = Story()
    assert story.recommend() == []
    requested = story.ask()
    assert types(requested) == ["approval.requested"]
    body = requested[0].body
    assert body["plan"] == plan().text()
    assert body["plan_sha256"] == story.sha256
    assert (body["needed"], body["policy"], body["runbook_id"]) == (1, "require_one", "fix-it")
    assert body["clauses"] == [{"text": "It is so", "holds": True, "value": "x = 1"}]


def test_one_approval_runs_the_plan_verifies_it_and_frees_the_target() -> None:
    story = Story().asked()
    executor = story.executor
    assert types(story.decide()) == ["approval.granted"]
    assert executor.newest(RECHECK).args["plan"] == plan().text()
    started = story.recheck()
    assert types(started) == ["execution.started", "step.started"]
    assert started[1].body["before"] == {"load": "91 %"}
    assert set(story.locks) == {"box-1"}
    call = executor.newest(CALL)
    assert (call.kind, call.lease, call.args["limit"], call.args["token"]) == ("once", 90, 60, started[1].body["token"])
    assert call.args["begin_by"] == executor.now + 60, "a process that was away acts on nothing older"
    assert types(story.call()) == ["step.succeeded", "execution.finished"]
    assert executor.newest(VERIFY_READ).args["since"] is None
    story.read()
    executor.wait(120)
    assert executor.newest(VERIFY_READ).args["since"] is not None
    story.read(*[80.0, 75.0, *[50.0] * 6])
    assert set(story.locks) == {"box-1"}, "verification belongs to the execution"
    executor.wait(60)
    passed = story.read(*[80.0, 75.0, *[50.0] * 10])
    assert types(passed) == ["verification.passed"]
    result = passed[0].body["result"]
    assert (result["outcome"], result["held_seconds"], result["observed"][-1]) == ("passed", 135, "50.0 %")
    assert story.locks == {}
    assert executor.count(CALL) == 1
    assert executor.timers() == {}


def test_every_step_is_looked_at_allowed_and_called_in_order() -> None:
    story = Story().calling(plan(step("one"), step("two")))
    assert types(story.call()) == ["step.succeeded"]
    assert story.executor.newest(RECHECK).args["step_id"] == "two"
    assert types(story.recheck()) == ["step.started"]
    assert story.executor.newest(CALL).args["step_id"] == "two"
    assert types(story.call()) == ["step.succeeded", "execution.finished"]


def test_the_token_of_a_step_is_the_same_in_every_run_and_another_steps_is_another() -> None:
    tokens = []
    for _ in range(2):
        story = Story().calling(plan(step("one"), step("two")))
        story.call()
        story.recheck()
        tokens.append([one.args["token"] for one in story.executor.started if one.name == CALL])
    assert tokens[0] == tokens[1]
    assert len(set(tokens[0])) == 2
