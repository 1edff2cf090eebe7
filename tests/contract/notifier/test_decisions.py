from __future__ import annotations

from typing import Any

import pytest

from services.notifier.handlers.incident_state import aggregate
from shared.events.approvals import ApprovalDecisionRefused, ApprovalExpired, ApprovalVoteRecorded
from shared.events.executions import ExecutionStarted, StepUnknown
from shared.runbooks.decision import SignedDecision, verify
from shared.runbooks.plan import digest
from shared.runtime.secrets import public_key
from shared.store.transition import chain
from tests.contract.notifier.conftest import Running, csrf_of
from tests.support.kinds import eventually
from tests.unit.notifier.story import (
    APPROVAL,
    APPROVER,
    EXECUTION,
    INCIDENT,
    RUN,
    asked,
    executed,
    granted,
    plan,
    signed,
    until_asked,
)


async def decided(running: Running, body: dict[str, Any]) -> tuple[str, SignedDecision]:
    """Submit a decision by the API; return its id and what the executor will read."""
    async with running.operator() as operator:
        answer = await operator.post(f"/api/incidents/{INCIDENT}/decisions", json=body)
    assert answer.status_code == 202, answer.text
    _, sent = (await running.decisions())[-1]
    return answer.json()["decision_id"], verify(
        sent["decision"], sent["signature"], {"test": public_key(running.public)}
    )


async def test_a_decision_is_signed_over_what_was_asked_and_by_whom(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    decision_id, said = await decided(running, {"verb": "approve", "reason": "looks right"})
    assert said.verb == "approve"
    assert said.person == "sample-approver"
    assert said.via == "cli:local"
    assert said.subject == APPROVAL
    assert said.plan_sha256 == digest(plan().text())
    assert said.environment == RUN
    assert said.incident_id == INCIDENT
    assert said.arguments["reason"] == "looks right"
    assert decision_id == f"notifier/decision/{said.nonce}"
    envelope, _ = (await running.decisions())[0]
    assert envelope.id == decision_id
    assert envelope.subject == INCIDENT


async def test_the_page_says_submitted_until_the_executor_has_ruled(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser = await running.browser()
    page = await browser.get(f"/a/{APPROVAL}")
    form = {"csrf": csrf_of(page.text), "subject": APPROVAL, "plan_sha256": digest(plan().text()), "verb": "approve"}
    answer = await browser.post(f"/i/{INCIDENT}/decisions", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/a/{APPROVAL}"
    page = await browser.get(f"/a/{APPROVAL}")
    assert "Submitted:" in page.text
    assert 'value="approve"' not in page.text
    assert "Approved</b>" not in page.text
    envelope, _ = (await running.decisions())[0]
    await running.tell(granted(envelope.id), *executed())
    await running.journaled(15)
    page = await browser.get(f"/a/{APPROVAL}")
    assert "Submitted:" not in page.text
    assert "✓ Approved</b> by SAMPLE approver" in page.text
    assert "Verification passed" in page.text
    await browser.aclose()


async def test_the_page_shows_why_a_decision_was_refused_and_asks_again(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    decision_id, _ = await decided(running, {"verb": "approve"})
    refused = ApprovalDecisionRefused(
        subject=APPROVAL, decision_id=decision_id, verb="approve", why="role", detail="is no approver", actor=APPROVER
    )
    await running.tell(refused)
    await running.journaled(8)
    browser = await running.browser()

    async def page() -> str:
        return (await browser.get(f"/a/{APPROVAL}")).text

    async def told() -> bool:
        return "is no approver" in await page()

    await eventually(told)
    assert 'value="approve"' in await page()
    await browser.aclose()


async def test_an_expired_question_has_no_buttons(running: Running) -> None:
    await running.tell(*until_asked()[:-1], asked(expires_in=-1.0))
    await running.journaled(6)
    browser = await running.browser()
    page = await browser.get(f"/a/{APPROVAL}")
    assert "time is over" in page.text
    assert "The time to answer is over, and nothing runs." in page.text
    assert "may not decide here" not in page.text
    assert 'value="approve"' not in page.text
    await running.tell(ApprovalExpired(approval_id=APPROVAL))
    await running.journaled(7)

    async def told() -> bool:
        return "Expired; nothing ran" in (await browser.get(f"/a/{APPROVAL}")).text

    await eventually(told)
    await browser.aclose()


async def test_a_plan_that_is_not_the_one_of_its_digest_cannot_be_approved(running: Running) -> None:
    await running.tell(*until_asked()[:-1], asked(text=plan(environment="sim:other").text()))
    await running.journaled(6)
    browser = await running.browser()
    page = await browser.get(f"/a/{APPROVAL}")
    assert "Do not approve" in page.text
    assert 'value="approve"' not in page.text
    await browser.aclose()


async def test_who_is_no_approver_sees_the_question_and_no_buttons(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    browser = await running.browser("sample-responder")
    page = await browser.get(f"/a/{APPROVAL}")
    assert page.status_code == 200
    assert "may not decide here" in page.text
    assert 'value="approve"' not in page.text
    await browser.aclose()


async def test_two_people_are_needed_and_the_first_is_told_to_find_another(running: Running) -> None:
    await running.tell(*until_asked()[:-1], asked(needed=2))
    await running.stage("awaiting_approval")
    vote = ApprovalVoteRecorded(
        approval_id=APPROVAL,
        actor=APPROVER,
        via="page:local",
        decision_id="first",
        have=1,
        needed=2,
        signed=signed(),
    )
    await running.tell(vote)
    first, second = await running.browser(), await running.browser("sample-second-approver")

    async def voted() -> bool:
        return "You have approved." in (await first.get(f"/a/{APPROVAL}")).text

    await eventually(voted)
    assert 'value="approve"' not in (await first.get(f"/a/{APPROVAL}")).text
    other = (await second.get(f"/a/{APPROVAL}")).text
    assert "Approved by SAMPLE approver: 1 of 2 people" in other
    assert 'value="approve"' in other
    await first.aclose()
    await second.aclose()


async def test_a_sample_person_is_not_asked_about_production(running: Running) -> None:
    question = asked(environment="live")
    await running.tell(*until_asked()[:-1], question, environment="live")
    await running.stage("awaiting_approval")
    browser = await running.browser()
    page = (await browser.get(f"/a/{APPROVAL}")).text
    assert "SIMULATED" not in page
    assert "may not decide here. SAMPLE people decide in simulated runs only; ask an approver." in page
    assert 'value="approve"' not in page
    await browser.aclose()


async def test_cancel_is_about_the_running_execution(running: Running) -> None:
    await running.tell(*until_asked(), granted(), executed()[0])
    await running.journaled(8)
    _, said = await decided(running, {"verb": "cancel", "reason": "stop"})
    assert said.subject == EXECUTION
    assert said.plan_sha256 == digest(plan().text())


async def test_who_settles_a_doubt_settles_the_one_that_was_shown(running: Running) -> None:
    doubt = StepUnknown(execution_id=EXECUTION, step_id="restart", why="lost")
    await running.tell(*until_asked(), granted(), *executed()[:2], doubt)
    await running.journaled(10)
    _, said = await decided(running, {"verb": "confirm", "reason": "I looked"})
    assert said.arguments == {"reason": "I looked", "step": "restart"}


async def test_a_page_says_which_step_it_showed_to_who_settles_its_doubt(running: Running) -> None:
    doubt = StepUnknown(execution_id=EXECUTION, step_id="restart", why="lost")
    await running.tell(*until_asked(), granted(), *executed()[:2], doubt)
    await running.journaled(10)
    browser = await running.browser()
    page = (await browser.get(f"/i/{INCIDENT}")).text
    assert "It was done; go on" in page
    assert '<input type="hidden" name="step" value="restart">' in page
    form = {"csrf": csrf_of(page), "subject": EXECUTION, "step": "restart", "verb": "confirm", "reason": "I looked"}
    await browser.post(f"/i/{INCIDENT}/decisions", data=form)
    _, sent = (await running.decisions())[0]
    said = verify(sent["decision"], sent["signature"], {"test": public_key(running.public)})
    assert (said.subject, said.verb, said.arguments["step"]) == (EXECUTION, "confirm", "restart")
    await browser.aclose()


@pytest.mark.parametrize(
    "verb,status,word",
    [("cancel", 409, "nothing is being executed"), ("explode", 409, "nothing to decide"), ("run", 409, "nothing to")],
)
async def test_what_cannot_be_decided_is_refused_by_name(running: Running, verb: str, status: int, word: str) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        answer = await operator.post(f"/api/incidents/{INCIDENT}/decisions", json={"verb": verb})
    assert answer.status_code == status
    assert word in answer.json()["error"]


async def test_fields_that_only_the_server_sets_are_not_taken(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        body = {"verb": "approve", "person": "sample-second-approver"}
        answer = await operator.post(f"/api/incidents/{INCIDENT}/decisions", json=body)
    assert answer.status_code == 422
    assert "person" in answer.json()["error"]


class TestSilentExecutor:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"answer_seconds": 0.1, "terminal": False}

    async def test_a_decision_without_a_ruling_goes_out_three_more_times_and_then_the_page_says_so(
        self, running: Running
    ) -> None:
        await running.tell(*until_asked())
        await running.journaled(6)
        decision_id, _ = await decided(running, {"verb": "approve"})
        sent = await running.decisions(4)
        assert [envelope.id for envelope, _ in sent] == [decision_id] * 4
        assert [envelope.resend for envelope, _ in sent] == [0, 1, 2, 3]
        assert len({body["decision"] for _, body in sent}) == 1
        browser = await running.browser()

        async def banner() -> bool:
            text = (await browser.get(f"/i/{INCIDENT}")).text
            return "No ruling:" in text and "the approval of SAMPLE approver" in text

        await eventually(banner)
        await running.tell(granted(decision_id))

        async def gone() -> bool:
            return "No ruling:" not in (await browser.get(f"/i/{INCIDENT}")).text

        await eventually(gone)
        await browser.aclose()

    async def test_what_a_decision_caused_answers_it_too(self, running: Running) -> None:
        await running.tell(*until_asked())
        await running.journaled(6)
        decision_id, _ = await decided(running, {"verb": "approve"})
        started = executed()[0]
        assert isinstance(started, ExecutionStarted)
        await running.tell(granted())
        await running.tell(started, causation=decision_id)

        async def answered() -> bool:
            state = await running.store.state(aggregate(INCIDENT))
            return not state["waiting"] and not state["silent"]

        await eventually(answered)


async def test_requests_reach_the_diagnoser_with_their_actor(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        body = {"verb": "note", "arguments": {"text": "looking"}}
        answer = await operator.post(f"/api/incidents/{INCIDENT}/requests", json=body)
    assert answer.status_code == 202
    envelope, sent = (await running.requests())[0]
    assert envelope.subject == INCIDENT
    assert envelope.environment == RUN
    assert sent["request_id"] == answer.json()["request_id"]
    assert sent["actor"]["id"] == "sample-approver"
    assert sent["arguments"] == {"text": "looking"}


async def test_a_silence_needs_a_matcher_and_a_reason(running: Running) -> None:
    async with running.operator() as operator:
        empty = await operator.post("/api/silences", json={"matchers": {}, "reason": "x"})
        made = await operator.post("/api/silences", json={"matchers": {"service": "shop"}, "reason": "deploy"})
        ended = await operator.post(f"/api/silences/{made.json()['id']}/end", json={})
    assert empty.status_code == 409
    assert made.status_code == ended.status_code == 202
    (_, added), (_, end) = await running.requests(2)
    assert added["silence"]["author"]["id"] == "sample-approver"
    assert end["verb"] == "end"
    assert end["silence_id"] == made.json()["id"]


async def test_freeze_goes_straight_to_the_executor_for_every_environment(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    async with running.operator() as operator:
        answer = await operator.post("/api/freeze", json={"on": True, "reason": "stop"})
    assert answer.status_code == 200
    found = answer.json()["environments"]
    assert found[RUN]["frozen"]
    assert "SAMPLE" in found["live"]["refused"]
    said = [SignedDecision.model_validate_json(body["decision"]) for kind, body in running.others.asked]
    assert {one.environment for one in said} == {RUN, "live"}
    assert {one.verb for one in said} == {"freeze"}


async def test_decisions_and_sign_ins_are_in_a_hash_chain(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled(6)
    await decided(running, {"verb": "approve"})
    await (await running.browser()).aclose()
    for name, what in ((aggregate(INCIDENT), b"decision_submitted"), ("signins/all", b"signed_in")):
        head, entries = b"", await running.store.audit(name)
        assert any(what in entry.entry for entry in entries)
        for entry in entries:
            head = chain(head, entry.entry)
            assert entry.hash == head
