"""Whatever is wrong with a decision or its plan: nothing reaches the world, the timeline says why, no page lies.

Every case goes through executor and notifier over the real log and both databases, beside the simulated world.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.executor.handlers import approving
from shared.errors import AuthoredError
from shared.events.incidents import IncidentSourceRecovered
from tests.resilience.house import RUNBOOK, House
from tests.resilience.matter import HOST, Matter, asked

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]


async def approved_and_frozen(house: House, person: str = "ann") -> Matter:
    """Return an incident whose plan is approved and waits for the end of a freeze."""
    matter = await asked(house)
    await matter.freeze()
    await matter.press("approve", person)
    await matter.until("execution.paused")
    return matter


# what people, time and the diagnoser may do to a question
async def test_a_rejected_plan_never_runs(house: House) -> None:
    matter = await asked(house)
    assert (await matter.press("reject", reason="a backup is running")).status_code == 303
    await matter.until("approval.rejected")
    await matter.nothing_happened("a backup is running")


async def test_an_expired_question_can_be_approved_no_more(house: House) -> None:
    matter = await asked(house, "restart-soon")
    await matter.until("approval.expired")
    await matter.submit()
    assert (await matter.refusal())["why"] == "already_decided"
    await matter.nothing_happened("Approval expired; nothing ran", "the approval is expired")


async def test_a_withdrawn_plan_never_runs(house: House) -> None:
    matter = await asked(house)
    await matter.command("withdraw", "eve", reason="the wrong host")
    await matter.until("approval.withdrawn")
    await matter.submit()
    await matter.refusal()
    await matter.nothing_happened("the wrong host", "the approval is withdrawn")


async def test_a_recovery_withdraws_the_question(house: House) -> None:
    matter = await asked(house)
    await matter.tell(IncidentSourceRecovered(recovered_at=datetime.now(UTC)))
    await matter.until("approval.withdrawn")
    await matter.submit()
    await matter.refusal()
    await matter.nothing_happened("All alerts have recovered", "the approval is withdrawn")


async def test_a_superseded_question_can_be_approved_no_more(house: House) -> None:
    matter = await asked(house)
    first = matter.question
    await matter.recommend("restart-with-two")
    await matter.submit(matter.decision(subject=first["approval_id"], plan_sha256=first["plan_sha256"]))
    assert (await matter.refusal())["why"] == "already_decided"
    await matter.nothing_happened("a newer recommendation came", "this question is over")
    matter.question = first
    asked_then, _ = await matter.pages()
    assert "↻ Superseded" in asked_then


async def test_a_frozen_environment_runs_nothing_that_was_approved(house: House) -> None:
    matter = await asked(house)
    await matter.freeze()
    await matter.press("approve")
    await matter.until("execution.paused")
    await matter.nothing_happened("frozen")
    assert (await matter.command("cancel", reason="not today")).status_code == 202
    await matter.until("execution.cancelled")
    await matter.freeze(on=False)
    await matter.nothing_happened("not today")


# what does not fit the plan
async def test_a_decision_about_another_plan_does_not_count(house: House) -> None:
    matter = await asked(house)
    assert (await matter.press("approve", plan_sha256="b" * 64)).status_code == 303
    assert (await matter.refusal())["why"] == "other_plan"
    await matter.nothing_happened("other plan: the plan changed; read it again")


async def test_a_plan_that_was_changed_in_the_database_cannot_be_approved_but_rejected(house: House) -> None:
    matter = await asked(house)
    async with house.down():
        await house.tamper(matter.incident, ("prod-web-03", "prod-web-01"))
    await matter.press("approve")
    assert (await matter.refusal())["why"] == "plan"
    await matter.nothing_happened("what is kept is not what was asked")
    await matter.press("reject", "ben")
    await matter.until("approval.rejected")
    await matter.nothing_happened("Rejected")


async def test_a_plan_that_was_changed_in_the_database_after_its_approval_is_not_run(house: House) -> None:
    matter = await approved_and_frozen(house)
    async with house.down():
        await house.tamper(matter.incident, ("prod-web-03", "prod-web-01"))
    await matter.freeze(on=False)
    await matter.until("execution.cancelled")
    await matter.nothing_happened("plan: the plan is not the one that was approved")


async def test_a_plan_and_its_digest_that_were_changed_in_the_database_are_nobodys_approval(house: House) -> None:
    matter = await approved_and_frozen(house)
    async with house.down():
        await house.replace_plan(matter.incident, ("prod-web-03", "prod-web-01"))
    await matter.freeze(on=False)
    await matter.until("execution.cancelled")
    await matter.nothing_happened("Execution cancelled")


async def test_a_runbook_that_was_edited_after_the_approval_is_not_run(house: House) -> None:
    matter = await approved_and_frozen(house)
    async with house.down():
        house.write_runbook(RUNBOOK, ("for_seconds: 120", "for_seconds: 121"))
    await matter.freeze(on=False)
    await matter.until("execution.cancelled")
    await matter.nothing_happened("runbook: restart-leaking-service was edited after this plan was made")


async def test_a_target_that_is_another_one_by_now_is_left_alone(house: House) -> None:
    matter = await asked(house)
    house.world.call(matter.life, "host/restart-process@v1", HOST, {"process": "storefront"}, "somebody")
    await matter.press("approve")
    await matter.until("execution.cancelled")
    matter.life.run.done.remove(matter.life.run.done[0])
    await matter.nothing_happened("target_drift")


# what does not fit the signature
@pytest.mark.parametrize(
    "forged, reason",
    [
        pytest.param({"decision": "{}"}, "the decision is not readable", id="no decision"),
        pytest.param({"signature": "Zm9yZ2Vk"}, "the signature does not fit the decision", id="a signature of nobody"),
        pytest.param({"signature": "%"}, "the signature does not fit the decision", id="no signature"),
    ],
)
async def test_a_decision_forged_on_the_topic_does_not_count(house: House, forged: dict[str, str], reason: str) -> None:
    matter = await asked(house)
    await matter.submit(forged=forged)
    assert (await matter.refusal())["why"] == "signature"
    await matter.nothing_happened(f"A record that claims to be a decision was refused: signature: {reason}")


@pytest.mark.parametrize("field", ["verb", "incident_id", "subject", "person", "environment", "plan_sha256", "time"])
async def test_bytes_that_were_changed_after_signing_do_not_count(house: House, field: str) -> None:
    matter = await asked(house)
    wrong = {
        "verb": "reject",
        "incident_id": "INC-ZZZZZZZZZZ",
        "subject": "apr-zzzzzzzzzz-1",
        "person": "eve",
        "environment": "live",
        "plan_sha256": "b" * 64,
        "time": datetime.now(UTC) - timedelta(minutes=16),
    }
    right = matter.decision()
    signed = house.sign({**right, field: wrong[field]})
    await matter.submit(forged={"decision": house.sign(right)["decision"], "signature": signed["signature"]})
    assert (await matter.refusal())["why"] == "signature"
    await matter.nothing_happened("the signature does not fit the decision")


@pytest.mark.parametrize(
    "kid, reason",
    [
        pytest.param("nobody", "key 'nobody' is not trusted", id="a key nobody knows"),
        pytest.param("test", "the signature does not fit the decision", id="another key under a known name"),
        pytest.param("retired", "key 'retired' is not trusted", id="a key that was revoked"),
    ],
)
async def test_a_key_that_is_not_trusted_signs_nothing(house: House, kid: str, reason: str) -> None:
    matter = await asked(house)
    await matter.submit(matter.decision(kid=kid), key=house.retired)
    assert (await matter.refusal())["why"] == "signature"
    await matter.nothing_happened(reason)


async def test_an_approval_whose_key_is_revoked_before_its_claim_counts_no_more(house: House) -> None:
    matter = await asked(house)
    await matter.freeze()
    await matter.submit(matter.decision(kid="spare"), key=house.spare)
    await matter.until("execution.paused")
    async with house.down():
        house.spare_is_trusted = False
    await matter.freeze(on=False)
    await matter.until("execution.cancelled")
    house.spare_is_trusted = True
    await matter.nothing_happened("signature: of the approval by Ann: key 'spare' is not trusted")


# what does not fit what it is about
@pytest.mark.parametrize(
    "wrong, why",
    [
        pytest.param({"verb": "run"}, "unknown_verb", id="another verb"),
        pytest.param({"verb": "unfreeze"}, "unknown_verb", id="a verb that does not come by the topic"),
        pytest.param({"incident_id": "INC-ZZZZZZZZZZ"}, "other_incident", id="another incident"),
        pytest.param({"environment": "live"}, "other_environment", id="another environment"),
        pytest.param({"subject": "apr-zzzzzzzzzz-1"}, "unknown_subject", id="an approval of another incident"),
        pytest.param({"plan_sha256": None}, "other_plan", id="no plan"),
        pytest.param({"time": timedelta(minutes=-16)}, "too_old", id="too old"),
        pytest.param({"time": timedelta(minutes=2)}, "from_the_future", id="too early"),
    ],
)
async def test_a_signed_decision_does_not_count_for(house: House, wrong: dict[str, Any], why: str) -> None:
    matter = await asked(house)
    given = {name: datetime.now(UTC) + value if name == "time" else value for name, value in wrong.items()}
    await matter.submit(matter.decision(**given))
    assert (await matter.refusal())["why"] == why
    await matter.nothing_happened(f"refused: {why.replace('_', ' ')}")


async def test_an_approval_that_never_comes_is_refused_after_a_while(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving, "WAIT_SECONDS", 0.2)
    matter = await asked(house)
    await matter.submit(matter.decision(subject=matter.approval.removesuffix("1") + "7"))
    assert (await matter.refusal())["why"] == "unknown_subject"
    await matter.nothing_happened("no such approval or execution")


async def test_a_decision_about_another_step_changes_nothing(house: House) -> None:
    matter = await approved_and_frozen(house)
    await matter.submit(matter.decision("pause", subject=matter.execution))
    await matter.until("execution.paused", count=2)
    await matter.submit(matter.decision("skip", subject=matter.execution, arguments={"step": "another"}))
    assert (await matter.refusal())["why"] == "other_step"
    await matter.freeze(on=False)
    await matter.nothing_happened("other step: the execution is at the step 'restart'")


async def test_a_number_is_used_once(house: House) -> None:
    matter = await asked(house)
    no = matter.decision("approve", "eve")
    await matter.submit(no)
    assert (await matter.refusal())["why"] == "role"
    await matter.submit(matter.decision(nonce=no["nonce"]))
    assert (await matter.refusal(2))["why"] == "nonce_reused"
    await matter.nothing_happened("nonce reused")


# who may not decide
async def test_a_person_without_the_role_approves_nothing(house: House) -> None:
    matter = await asked(house)
    assert (await matter.command("approve", "eve")).status_code == 202
    assert (await matter.refusal())["why"] == "role"
    await matter.nothing_happened("role: Eve is no approver")
    page, _ = await matter.pages("eve")
    assert "Refused: the approval of Eve: Eve is no approver" in page
    assert "may not decide here" in page


async def test_a_person_who_lost_the_role_approves_nothing(house: House) -> None:
    matter = await asked(house)
    async with house.without_una():
        assert (await matter.command("approve", "una")).status_code == 202
        assert (await matter.refusal())["why"] == "role"
        await matter.nothing_happened("role: Una is no approver")


async def test_an_approval_of_a_person_who_lost_the_role_counts_no_more(house: House) -> None:
    matter = await asked(house, "restart-with-two")
    await matter.press("approve", "una")
    await matter.until("approval.vote_recorded")
    async with house.without_una():
        await matter.command("approve", "ann")
        assert (await matter.until("approval.vote_recorded", count=2)).body["have"] == 1
        await matter.nothing_happened("role: Una is no approver any more")
        page, _ = await matter.pages()
        assert "Approved by Ann: 1 of 2 people." in page
        assert "Refused: the approval of Una: Una is no approver any more" in page


async def test_an_approval_of_a_person_who_lost_the_role_before_the_claim_is_not_run(house: House) -> None:
    matter = await approved_and_frozen(house, person="una")
    async with house.without_una():
        await matter.freeze(on=False)
        await matter.until("execution.cancelled")
        await matter.nothing_happened("role: Una is no approver any more")


async def test_one_person_is_not_two_on_page_and_command(house: House) -> None:
    matter = await asked(house, "restart-with-two")
    await matter.press("approve")
    await matter.until("approval.vote_recorded")
    await matter.command("approve")
    assert (await matter.refusal())["why"] == "same_person"
    await matter.nothing_happened("same person: each of the people needed must be another one")


@pytest.mark.parametrize("same", ["email: ANN@example.com", "slack_id: U1", "pagerduty_id: P1"])
async def test_one_person_with_two_identities_is_not_taken(house: House, same: str) -> None:
    matter = await asked(house, "restart-with-two")
    await matter.press("approve")
    people = house.people
    await house.stop()
    both = "" if same.startswith("email") else f", {same}"
    twice = people.replace("email: ann@example.com", f"email: ann@example.com{both}")
    house.people = twice + f"  - {{id: ann2, name: Ann Other, roles: [approver], {same}}}\n"
    with pytest.raises(AuthoredError, match="ann and ann2 have the same"):
        await house.start()
    await house.stop()
    house.people = people
    await house.start()
    await matter.until("approval.vote_recorded")
    await matter.nothing_happened("Approved, 1 of 2")


async def test_whoever_proposed_a_plan_does_not_approve_it(house: House) -> None:
    matter = await asked(house, proposed_by="ann")
    await matter.press("approve")
    assert (await matter.refusal())["why"] == "proposer"
    await matter.nothing_happened("proposer: whoever proposed a plan does not approve it")


async def test_a_sample_person_decides_nothing_about_production(house: House) -> None:
    matter = await asked(house, live=True)
    await matter.command("approve", "sam")
    assert (await matter.refusal())["why"] == "sample_person"
    await matter.nothing_happened("sample person: SAMPLE people decide in simulated runs only")


async def test_two_sessions_on_one_machine_are_one_person_for_production(house: House) -> None:
    matter = await asked(house, "restart-with-two", live=True)
    await matter.press("approve", "ann")
    await matter.until("approval.vote_recorded")
    await matter.press("approve", "ben")
    assert (await matter.refusal())["why"] == "same_machine"
    await matter.nothing_happened("same machine: all sessions signed in on this machine count as one person")


async def test_high_risk_is_not_approved_by_a_button_in_slack(house: House) -> None:
    matter = await asked(house, "restart-high-risk")
    await matter.submit(matter.decision(via="slack"))
    assert (await matter.refusal())["why"] == "via"
    await matter.nothing_happened("via: high risk is decided on the page or by the command")
