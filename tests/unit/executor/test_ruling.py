from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.executor.domain.config import ExecutorConfig
from services.executor.domain.policy import Policy
from services.executor.domain.work import CALL, RECHECK
from shared.runtime.clock import at
from shared.runtime.people import People
from tests.unit.executor.aggregates import NOW, types
from tests.unit.executor.story import STRANGER, Story, plan, step

REFUSED = "approval.decision_refused"


def why(story: Story, verb: str = "approve", person: str = "ann", **wrong: Any) -> str:  # noqa: ANN401 -- fields of a decision
    """Return why a decision is refused; it must change nothing."""
    before = story.executor.state()
    caused = story.decide(verb, person, **wrong)
    assert types(caused) == [REFUSED], caused
    assert story.executor.state()["approval"] == before["approval"]
    assert story.executor.count(CALL) == 0
    return str(caused[0].body["why"])


@pytest.mark.parametrize(
    "wrong, reason",
    [
        pytest.param({"person": "eve"}, "role", id="a responder may not approve"),
        pytest.param({"person": "mallory"}, "unknown_person", id="nobody outside people.yaml may decide"),
        pytest.param({"plan_sha256": "b" * 64}, "other_plan", id="only exactly the plan that was shown counts"),
        pytest.param({"plan_sha256": None}, "other_plan", id="an approval must name its plan"),
        pytest.param({"incident_id": "INC-ZZZZZZZZZZ"}, "other_incident", id="it was signed for another incident"),
        pytest.param({"environment": "live"}, "other_environment", id="it was signed for another environment"),
        pytest.param({"environment": "sim:u"}, "other_environment", id="it was signed for another run"),
        pytest.param({"age": 901}, "too_old", id="it is older than 15 minutes"),
        pytest.param({"age": -61}, "from_the_future", id="it is more than a minute ahead"),
        pytest.param({"key": STRANGER}, "signature", id="another key signed it"),
        pytest.param({"kid": "k2"}, "signature", id="its key is not trusted"),
        pytest.param({"verb": "run"}, "unknown_verb", id="running a runbook by hand is not offered yet"),
        pytest.param({"verb": "freeze"}, "unknown_verb", id="a freeze does not come by the topic"),
    ],
)
def test_a_decision_does_not_count_when(wrong: dict[str, Any], reason: str) -> None:
    assert why(Story().asked(), **wrong) == reason


@pytest.mark.parametrize("age", [pytest.param(899, id="just young enough"), pytest.param(-59, id="just early enough")])
def test_a_decision_counts_when(age: float) -> None:
    assert types(Story().asked().decide(age=age)) == ["approval.granted"]


def test_bytes_that_were_changed_after_signing_do_not_count() -> None:
    story = Story().asked()
    body = story.signed()
    forged = {**body, "decision": body["decision"].replace('"person":"ann"', '"person":"ben"')}
    assert [event.body["why"] for event in story.submit(forged)] == ["signature"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no field at all"),
        pytest.param({"decision": 3, "signature": "x"}, id="a number for a text"),
        pytest.param({"decision": "{", "signature": ""}, id="no JSON"),
        pytest.param({"decision": "x" * 9000, "signature": ""}, id="far too long"),
    ],
)
def test_a_forged_record_on_the_topic_is_refused_and_parks_nothing(body: dict[str, Any]) -> None:
    story = Story().asked()
    assert types(story.submit(body)) == [REFUSED]
    assert story.executor.dead == []
    assert types(story.decide()) == ["approval.granted"]


def test_a_key_counts_only_while_it_is_valid() -> None:
    story = Story().asked()
    config = story.executor.rules.config
    for span, outcome in (((NOW + 1, NOW + 9), REFUSED), ((NOW - 9, NOW), REFUSED), ((NOW - 9, NOW + 9), "granted")):
        story.executor.configure(type(config)(config.policy, config.people, config.trusted, {"k1": span}))
        assert types(story.decide())[0].endswith(outcome)


def test_an_approval_after_the_expiry_does_not_count_even_before_the_timer_fired() -> None:
    story = Story().asked()
    story.executor.now += 1800
    refused, expired = story.decide()
    assert (refused.body["why"], expired.type) == ("expired", "approval.expired")
    assert story.executor.count(RECHECK) == 0


def test_sample_people_decide_in_simulated_runs_only() -> None:
    assert types(Story().asked().decide(person="sample-approver")) == ["approval.granted"]
    assert why(Story(environment="live").asked(), person="sample-approver") == "sample_person"


def test_a_question_is_answered_once() -> None:
    story = Story().asked()
    story.decide("reject")
    assert why(story) == "already_decided"


def test_two_people_are_two_persons() -> None:
    story = Story().asked(count=2)
    recorded = story.decide()
    assert types(recorded) == ["approval.vote_recorded"]
    assert (recorded[0].body["have"], recorded[0].body["needed"]) == (1, 2)
    assert why(story) == "same_person"
    granted = story.decide(person="ben")
    assert types(granted) == ["approval.granted"]
    assert [actor["id"] for actor in granted[0].body["actors"]] == ["ann", "ben"]


def test_all_sessions_on_one_machine_are_one_person_in_production() -> None:
    story = Story(environment="live").asked(count=2)
    story.decide(via="page:local")
    assert why(story, person="ben", via="cli:local") == "same_machine"
    assert types(story.decide(person="ben", via="page:oidc")) == ["approval.granted"]


def test_all_sessions_on_one_machine_are_as_many_people_as_they_say_in_a_simulated_run() -> None:
    story = Story().asked(count=2)
    story.decide(via="page:local")
    assert types(story.decide(person="ben", via="cli:local")) == ["approval.granted"]


@pytest.mark.parametrize(
    "wrong, reason",
    [
        pytest.param({"via": "slack:button"}, "via", id="a button in Slack is not enough"),
        pytest.param(
            {"via": "cli:oidc", "authenticated_at": at(NOW - 901)}, "old_login", id="an old login of the command"
        ),
    ],
)
def test_high_risk_is_not_approved_by(wrong: dict[str, Any], reason: str) -> None:
    story = Story().asked(plan(step("one", risk="high")))
    assert why(story, **wrong) == reason
    assert types(story.decide(via="cli:oidc", authenticated_at=at(NOW) - timedelta(minutes=5)))[0] == (
        "approval.vote_recorded"
    )


def test_high_risk_may_be_rejected_from_anywhere() -> None:
    story = Story().asked(plan(step("one", risk="high")))
    assert types(story.decide("reject", via="slack:button")) == ["approval.rejected"]


def test_medium_risk_may_be_approved_by_a_button() -> None:
    assert types(Story().asked().decide(via="slack:button")) == ["approval.granted"]


def test_the_same_bytes_get_the_same_ruling_again_and_are_not_counted_twice() -> None:
    story = Story().asked(count=2)
    body = story.signed()
    ruling = story.submit(body)[0]
    again = story.submit(body, resend="1") + story.submit(body, "someone/else")
    assert [(event.id, event.body, event.resend) for event in again] == [
        (ruling.id, ruling.body, 1),
        (ruling.id, ruling.body, 2),
    ]
    assert len(story.executor.state()["approval"]["votes"]) == 1


def test_a_refusal_is_a_ruling_too_and_is_given_again() -> None:
    story = Story().asked()
    body = story.signed(person="eve")
    first = story.submit(body)[0]
    assert [event.id for event in story.submit(body, resend="1")] == [first.id]


def test_a_ruling_is_not_given_again_for_ever() -> None:
    story = Story().asked()
    body = story.signed()
    story.submit(body)
    assert sum(len(story.submit(body, f"replayed/{number}")) for number in range(30)) == 9


def test_a_number_that_was_used_by_other_bytes_counts_no_more() -> None:
    story = Story().asked(count=2)
    story.decide()
    assert why(story, person="ben", nonce=f"{1:032x}") == "nonce_reused"


def test_a_rejection_ends_the_question() -> None:
    story = Story().asked()
    rejected = story.decide("reject", arguments={"reason": "not during the sale"})
    assert types(rejected) == ["approval.rejected"]
    assert (rejected[0].body["reason"], rejected[0].body["actor"]["id"]) == ("not during the sale", "ann")
    assert story.executor.timers() == {}


def test_a_responder_may_withdraw_what_is_asked_or_granted_but_not_what_runs() -> None:
    assert types(Story().asked().decide("withdraw", "eve")) == ["approval.withdrawn"]
    story = Story().granted()
    assert types(story.decide("withdraw", "eve")) == ["approval.withdrawn"]
    assert story.recheck() == []
    story = Story().calling()
    assert [event.body["why"] for event in story.decide("withdraw", "eve")] == ["already_decided"]


def test_a_decision_that_comes_before_its_question_waits_for_it() -> None:
    story = Story()
    story.approval, story.sha256 = "apr-abcdefghij-1", ""
    early = story.signed(plan_sha256=Story().asked().sha256)
    assert story.submit(early) == []
    assert story.submit(early, resend="1") == []
    story.recommend()
    assert types(story.ask()) == ["approval.requested", "approval.granted"]
    assert story.executor.count(RECHECK) == 1


def test_a_decision_about_nothing_is_refused_after_a_minute() -> None:
    story = Story().asked()
    assert story.decide(subject="apr-abcdefghij-7") == []
    assert story.executor.wait(59) == []
    refused = story.executor.wait(1)
    assert [(event.type, event.body["why"]) for event in refused] == [(REFUSED, "unknown_subject")]
    assert refused[0].body["decision_id"].startswith("notifier/decision/")


def test_only_a_few_decisions_about_nothing_wait() -> None:
    story = Story().asked()
    waited = [story.decide(subject="apr-abcdefghij-7") for _ in range(12)]
    assert [len(caused) for caused in waited] == [0] * 10 + [1, 1]
    assert len(story.executor.wait(60)) == 10


def test_a_decision_says_nothing_about_the_environment_of_an_incident_that_is_not_known_yet() -> None:
    story = Story()
    story.approval = "apr-abcdefghij-1"
    story.submit(story.signed(environment="live"), environment="live")
    story.recommend()
    assert story.executor.state()["environment"] == "sim:t"
    asked, refused = story.ask()
    assert (asked.type, refused.body["why"]) == ("approval.requested", "other_environment")


def test_every_ruling_is_in_the_audit_chain_with_the_person() -> None:
    story = Story().asked(count=2)
    story.decide()
    story.decide(person="eve")
    rulings = [(entry["what"], entry.get("person")) for entry in story.executor.audit if entry.get("person")]
    assert rulings == [("approved", "ann"), ("decision_refused", "eve")]


def test_an_approval_of_another_incident_is_refused_at_once() -> None:
    assert why(Story().asked(), subject="apr-zzzzzzzzzz-1") == "unknown_subject"


def test_a_cancel_of_what_has_not_begun_says_what_to_do_instead() -> None:
    story = Story().asked()
    (refused,) = story.decide("cancel", subject=story.execution)
    assert refused.body["why"] == "not_started"
    assert refused.body["detail"] == "nothing was approved yet; reject or withdraw the question instead"


def without(story: Story, person: str) -> ExecutorConfig:
    """Return the configuration in which a person has left."""
    config: ExecutorConfig = story.executor.rules.config
    left = tuple(one for one in config.people.people if one.id != person)
    return replace(config, people=People(people=left))


def test_a_vote_of_who_has_left_counts_no_more_when_the_next_one_comes() -> None:
    story = Story().asked(count=2)
    story.decide(person="ann")
    story.executor.configure(without(story, "ann"))
    voted, refused = story.decide(person="ben")
    assert (voted.type, voted.body["have"]) == ("approval.vote_recorded", 1)
    assert (refused.body["why"], refused.body["actor"]["id"]) == ("role", "ann")


def test_what_who_has_left_approved_is_not_begun() -> None:
    story = Story().granted()
    story.executor.configure(without(story, "ann"))
    caused = story.recheck()
    assert [event.body.get("reason") for event in caused if event.type == "execution.cancelled"] == [
        "role: Ann is no approver any more"
    ]
    assert story.executor.count(CALL) == 0


def test_a_key_that_was_revoked_since_takes_its_approvals_with_it() -> None:
    story = Story().granted()
    config = story.executor.rules.config
    story.executor.configure(replace(config, valid={"k1": (0.0, story.executor.now)}))
    caused = story.recheck()
    assert types(caused) == ["execution.cancelled"]
    assert "key 'k1' is not trusted" in caused[0].body["reason"]


@pytest.mark.parametrize(
    "policy, reason",
    [
        pytest.param("forbid", "forbidden: by the rule 'newer' of the policy", id="forbids it"),
        pytest.param("require_two", "policy: 1 of 2 people approved, by the rule 'newer'", id="asks for two"),
    ],
)
def test_what_one_person_approved_is_not_begun_when_the_policy_by_now(policy: str, reason: str) -> None:
    story = Story().granted()
    newer = Policy.model_validate({"rules": [{"name": "newer", "policy": policy}]})
    story.executor.configure(replace(story.executor.rules.config, policy=newer))
    caused = story.recheck()
    assert [event.body["reason"] for event in caused if event.type == "execution.cancelled"] == [reason]
    assert story.executor.count(CALL) == 0


def test_what_is_kept_as_granted_without_the_words_of_a_person_is_not_begun() -> None:
    story = Story().granted()
    kept = story.executor.state()
    kept["approval"]["votes"] = []
    story.executor.overwrite(kept)
    caused = story.recheck()
    assert [event.body["reason"] for event in caused if event.type == "execution.cancelled"] == [
        "policy: 0 of 1 people approved, by the rule 'default'"
    ]
    assert story.executor.count(CALL) == 0
