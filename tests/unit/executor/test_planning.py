from __future__ import annotations

from typing import Any

import pytest

from services.executor.domain.policy import Policy, Rule
from services.executor.domain.work import PREPARE_PLAN
from shared.incident.enums import ApprovalPolicyType, RiskLevel
from shared.runbooks.plan import Plan
from tests.unit.executor.aggregates import NOW, types
from tests.unit.executor.story import Story, plan, prepared, step

FORBID = Policy(rules=(Rule(name="not the boxes", targets=("box-*",), policy=ApprovalPolicyType.FORBID),))


def refused(story: Story, result: dict[str, Any]) -> tuple[str, str]:
    story.recommend()
    caused = story.executor.finish(PREPARE_PLAN, result)
    assert types(caused) == ["plan.refused"]
    assert story.owed() == []
    assert story.stage == "needs_human"
    return caused[0].body["why"], caused[0].body["detail"]


@pytest.mark.parametrize(
    "result, why",
    [
        pytest.param({"refused": "no_actuator", "detail": "d"}, "no_actuator", id="nothing can act there"),
        pytest.param({"error": {"reason": "not_found", "detail": "d"}}, "not_found", id="it cannot be worked out"),
        pytest.param(prepared(plan(), holds=False), "precondition", id="a precondition does not hold"),
        pytest.param({**prepared(plan()), "plan": "{}"}, "unusable_plan", id="the bytes are no plan"),
        pytest.param(prepared(plan(environment="live")), "other_plan", id="the plan is for another environment"),
        pytest.param(prepared(plan(runbook="drop-it")), "other_plan", id="the plan is of another runbook"),
    ],
)
def test_no_question_is_asked_when(result: dict[str, Any], why: str) -> None:
    assert refused(Story(), {"recommendation_id": "r1", "index": 0, **result})[0] == why


def test_a_failing_precondition_is_told_with_what_was_read() -> None:
    assert refused(Story(), prepared(plan(), holds=False)) == ("precondition", "It is so (x = 1)")


def test_a_rule_that_forbids_is_named() -> None:
    why, detail = refused(Story(policy=FORBID), prepared(plan()))
    assert (why, "not the boxes" in detail) == ("forbidden", True)


def test_a_rule_that_forbids_one_target_forbids_a_plan_that_touches_others_too() -> None:
    both: Plan = plan(step("one"), step("two", target="bin-1"))
    assert refused(Story(policy=FORBID), prepared(both))[0] == "forbidden"


@pytest.mark.parametrize(
    "rules, risk, count, policy",
    [
        pytest.param((), "low", 1, "require_one", id="no file: one person"),
        pytest.param((), "high", 1, "require_two", id="high risk: two people"),
        pytest.param((), "low", 2, "require_two", id="the runbook's author wants two"),
        pytest.param(("auto",), "low", 1, "require_one", id="auto without its signature: one person"),
        pytest.param(("auto",), "high", 1, "require_two", id="auto is nothing for high risk"),
        pytest.param(("require_two", "require_one"), "low", 1, "require_two", id="the first match wins"),
        pytest.param(("require_one",), "high", 1, "require_two", id="a rule does not loosen high risk"),
        pytest.param(("forbid",), "low", 1, "forbid", id="forbidden"),
    ],
)
def test_the_policy_asks_for(rules: tuple[str, ...], risk: str, count: int, policy: str) -> None:
    found = Policy(rules=tuple(Rule(name=name, policy=ApprovalPolicyType(name)) for name in rules))
    assert found.of("fix-it", ("box-1",), "live", RiskLevel(risk), count).policy == policy


@pytest.mark.parametrize(
    "condition, fits",
    [
        pytest.param({"runbooks": ("fix-*",)}, True, id="a pattern of its runbook"),
        pytest.param({"runbooks": ("drop-*",)}, False, id="a pattern of another runbook"),
        pytest.param({"environments": ("live",)}, False, id="live only"),
        pytest.param({"environments": ("sim",)}, True, id="simulated runs"),
        pytest.param({"risk_at_least": RiskLevel.HIGH}, False, id="a higher risk"),
        pytest.param({"targets": ("box-*",)}, False, id="only some of its targets"),
        pytest.param({"targets": ("box-*", "bin-*")}, True, id="all of its targets"),
    ],
)
def test_a_rule_speaks_of_a_plan_by(condition: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 -- a table
    rule = Rule(name="r", policy=ApprovalPolicyType.REQUIRE_TWO, **condition)
    assert rule.fits("fix-it", ("box-1", "bin-1"), "sim:t", RiskLevel.MEDIUM) is fits


def test_an_unknown_runbook_is_looked_for_again_for_five_minutes() -> None:
    story = Story()
    story.recommend()
    missing = {"recommendation_id": "r1", "index": 0, "missing": True}
    for _ in range(15):
        assert story.executor.finish(PREPARE_PLAN, missing) == []
        story.executor.wait(20)
    assert story.executor.count(PREPARE_PLAN) == 16
    refusal = story.executor.finish(PREPARE_PLAN, missing)
    assert [event.body["why"] for event in refusal] == ["unknown_runbook"]
    assert story.executor.timers() == {}


def test_a_runbook_that_is_deployed_meanwhile_is_planned() -> None:
    story = Story()
    story.recommend()
    story.executor.finish(PREPARE_PLAN, {"recommendation_id": "r1", "index": 0, "missing": True})
    story.executor.wait(20)
    assert types(story.ask()) == ["approval.requested"]


def test_the_next_ranked_runbook_is_planned_when_the_best_one_gets_no_plan() -> None:
    story = Story()
    story.recommend("drop-it", "fix-it")
    assert story.executor.finish(PREPARE_PLAN, {"refused": "no_actuator", "detail": ""}) == []
    assert story.executor.newest(PREPARE_PLAN).args["index"] == 1
    assert types(story.ask()) == ["approval.requested"]


def test_a_refusal_tells_of_the_best_runbook_and_what_was_wrong_with_the_others() -> None:
    story = Story()
    story.recommend("drop-it", "fix-it")
    story.executor.finish(PREPARE_PLAN, {"refused": "no_actuator", "detail": "nothing acts on boxes"})
    refusal = story.executor.finish(PREPARE_PLAN, prepared(plan(), holds=False))[0].body
    assert (refusal["runbook_id"], refusal["why"]) == ("drop-it", "no_actuator")
    assert refusal["detail"] == "nothing acts on boxes; fix-it: precondition It is so (x = 1)"


def test_a_copy_of_a_recommendation_changes_nothing_and_gets_its_answer_again() -> None:
    story = Story()
    story.recommend()
    assert story.recommend(resend="1") == []
    assert story.executor.count(PREPARE_PLAN) == 1
    requested = story.ask()[0]
    again = story.recommend(resend="2") + story.recommend(resend="3")
    assert [(event.id, event.body, event.resend) for event in again] == [
        (requested.id, requested.body, 1),
        (requested.id, requested.body, 2),
    ]
    assert story.recommend() == []


def test_a_refusal_is_given_again_too() -> None:
    story = Story()
    story.recommend()
    refusal = story.executor.finish(PREPARE_PLAN, {"refused": "no_actuator", "detail": ""})[0]
    assert [event.id for event in story.recommend(resend="1")] == [refusal.id]


def test_the_question_goes_out_again_until_people_were_told_and_then_a_person_is_asked() -> None:
    story = Story()
    story.recommend()
    requested = story.ask()[0]
    again = story.executor.wait(180)
    assert [(event.id, event.resend) for event in again] == [(requested.id, n) for n in (1, 2, 3)]
    handed = story.executor.wait(60)
    assert [(event.type, event.body["why"]) for event in handed] == [("handoff.requested", "notifier_silent")]
    assert types(story.decide()) == ["approval.granted"], "the question still stands"


def test_a_notice_without_a_channel_tells_of_nobody() -> None:
    story = Story()
    story.recommend()
    story.ask()
    story.executor.event("notice.posted", {"approval_id": story.approval, "channels": []})
    assert types(story.executor.wait(60)) == ["approval.requested"]
    story.notice()
    assert types(story.executor.wait(60)) == []


def test_a_broken_notice_parks_nothing() -> None:
    story = Story().asked()
    assert story.executor.event("notice.posted", {"approval_id": 3}) == []
    assert story.executor.dead == []


def test_nobody_answers_and_the_question_expires() -> None:
    story = Story().asked()
    assert types(story.executor.wait(1799)) == ["approval.reminded"]
    assert types(story.executor.wait(1)) == ["approval.expired"]
    assert (story.stage, story.owed(), story.executor.timers()) == ("expired", [], {})


@pytest.mark.parametrize(
    "on_expire, said",
    [
        pytest.param("remind", "approval.reminded", id="people are reminded and get as long again"),
        pytest.param("escalate", "approval.escalated", id="the next level is told and gets as long again"),
    ],
)
def test_after_the_runbooks_time(on_expire: str, said: str) -> None:
    story = Story().asked(on_expire=on_expire)
    requested = next(event for event in story.executor.events if event.type == "approval.requested")
    assert requested.body["expires_at"] == "2027-01-15T09:00:00Z", "an hour, announced from the start"
    assert story.executor.wait(1799) == []
    assert types(story.executor.wait(1)) == [said]
    assert types(story.executor.wait(1800)) == ["approval.expired"]
    assert story.executor.now == NOW + 3600


def test_an_escalation_names_who_is_next() -> None:
    story = Story().asked(on_expire="escalate")
    assert story.executor.wait(1800)[0].body["to"] == ["ada"]


def test_the_policy_may_say_what_happens_instead_of_the_runbook() -> None:
    rule = Rule(name="r", policy=ApprovalPolicyType.REQUIRE_ONE, on_expire="escalate")
    story = Story(policy=Policy(rules=(rule,))).asked(on_expire="expire")
    assert types(story.executor.wait(1800)) == ["approval.escalated"]


def test_a_newer_recommendation_takes_the_question_back() -> None:
    story = Story().asked()
    body = {"recommendation_id": "r1", "superseded_by": "r2", "reason": "target changed"}
    assert types(story.executor.event("recommendation.superseded", body)) == ["approval.superseded"]
    assert types(story.recommend(recommendation="r2")) == []
    assert types(story.ask()) == ["approval.requested"]
    assert story.approval == "apr-abcdefghij-2"
    assert [event.body["why"] for event in story.decide(subject="apr-abcdefghij-1")] == ["already_decided"]
    assert story.owed() == ["approval:apr-abcdefghij-2"]


def test_a_recommendation_that_is_still_being_planned_is_superseded_by_a_refusal() -> None:
    story = Story()
    story.recommend()
    body = {"recommendation_id": "r1", "superseded_by": "r2", "reason": "target changed"}
    refusal = story.executor.event("recommendation.superseded", body)
    assert [(event.type, event.body["why"]) for event in refusal] == [("plan.refused", "superseded")]
    assert story.executor.finish(PREPARE_PLAN, prepared(plan())) == []
    assert story.owed() == []


def test_after_the_claim_nothing_supersedes() -> None:
    story = Story().calling()
    body = {"recommendation_id": "r1", "superseded_by": "r2", "reason": "target changed"}
    assert story.executor.event("recommendation.superseded", body) == []
    busy = story.recommend(recommendation="r2")
    assert [(event.type, event.body["why"]) for event in busy] == [("plan.refused", "busy")]
    assert types(story.call()) == ["step.succeeded", "execution.finished"]


def test_an_empty_recommendation_asks_nobody() -> None:
    story = Story()
    body = {"recommendation_id": "r1", "investigation_id": "i1", "recommendations": {"items": []}}
    assert story.executor.event("recommendation.made", body) == []
    assert story.executor.started == []


def test_recovery_withdraws_a_question() -> None:
    story = Story().asked()
    recovery = {"recovered_at": "2027-01-15T08:00:00Z"}
    assert types(story.executor.event("incident.source_recovered", recovery)) == ["approval.withdrawn"]
    assert (story.stage, story.owed(), story.executor.timers()) == ("resolved", [], {})


def test_recovery_withdraws_what_was_granted_but_not_claimed() -> None:
    story = Story().granted()
    recovery = {"recovered_at": "2027-01-15T08:00:00Z"}
    assert types(story.executor.event("incident.source_recovered", recovery)) == ["approval.withdrawn"]
    assert story.recheck() == []
    assert story.owed() == []


def test_recovery_while_a_plan_is_made_asks_nobody() -> None:
    story = Story()
    story.recommend()
    recovery = {"recovered_at": "2027-01-15T08:00:00Z"}
    refusal = story.executor.event("incident.source_recovered", recovery)
    assert [(event.type, event.body["why"]) for event in refusal] == [("plan.refused", "recovered")]


def test_recovery_after_the_claim_is_only_remembered() -> None:
    story = Story().calling()
    recovery = {"recovered_at": "2027-01-15T08:00:00Z"}
    assert story.executor.event("incident.source_recovered", recovery) == []
    assert types(story.call()) == ["step.succeeded", "execution.finished"]


def test_an_event_of_another_environment_is_not_acted_on() -> None:
    story = Story().asked()
    recovery = {"recovered_at": "2027-01-15T08:00:00Z"}
    assert story.executor.event("incident.source_recovered", recovery, environment="live") == []
    assert types(story.decide()) == ["approval.granted"]


def test_what_comes_before_anything_was_recommended_changes_nothing() -> None:
    story = Story()
    assert story.executor.event("incident.closed", {"reason": "person"}) == []
    assert story.executor.state() is None
