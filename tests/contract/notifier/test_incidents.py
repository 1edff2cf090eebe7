from __future__ import annotations

import pytest

from shared.events.incidents import IncidentSourceRecovered
from tests.contract.notifier.conftest import Running, World
from tests.support.kinds import eventually
from tests.unit.notifier.clock import T0
from tests.unit.notifier.story import APPROVAL, INCIDENT, asked, executed, granted, opened, until_asked


async def test_events_become_a_list_row_a_detail_and_a_journal(running: Running) -> None:
    await running.tell(*until_asked())
    journal = await running.journaled(6)
    async with running.operator() as operator:
        (row,) = (await operator.get("/api/incidents")).json()
        detail = (await operator.get("/api/incidents/abcd")).json()
    assert [entry["type"] for entry in journal[:6]] == [payload.type for payload in until_asked()]
    assert row["id"] == INCIDENT
    assert row["stage"] == "awaiting_approval"
    assert row["approval_id"] == APPROVAL
    assert detail["incident"]["stage"] == "awaiting_approval"
    assert [alert["message_id"] for alert in detail["alerts"]] == ["r1"]
    assert [item["id"] for item in detail["evidence"]] == ["e1", "e2"]
    assert detail["diagnosis"]["confidence"] == 0.87
    assert detail["approvals"][0]["state"] == "pending"
    assert [line["id"] for line in detail["timeline"]] == [entry["id"] for entry in journal[:6]]


async def test_the_whole_story_ends_closed_verified_and_summed_up(running: Running) -> None:
    await running.tell(*until_asked(), granted(), *executed())
    await running.journaled(14)
    async with running.operator() as operator:
        detail = (await operator.get(f"/api/incidents/{INCIDENT}")).json()
    assert detail["incident"]["stage"] == "closed"
    assert detail["incident"]["closed_at"]
    assert [found["outcome"] for found in detail["verifications"]] == ["passed"]
    assert detail["executions"][0]["state"] == "succeeded"
    assert detail["executions"][0]["steps"][0]["status"] == "succeeded"
    assert detail["summary"]["sentences"][0]["text"] == "It leaked memory and was restarted."
    assert detail["times"]["fix"] is not None


async def test_alerts_that_have_recovered_are_not_shown_as_firing(running: Running) -> None:
    await running.tell(opened())
    await running.stage("open")
    browser = await running.browser()
    assert "datadog · firing" in (await browser.get(f"/i/{INCIDENT}")).text
    await running.tell(IncidentSourceRecovered(recovered_at=T0))
    await running.stage("resolved")
    assert "datadog · recovered" in (await browser.get(f"/i/{INCIDENT}")).text
    await browser.aclose()


async def test_an_event_of_another_environment_is_not_taken_into_an_incident(running: Running) -> None:
    await running.tell(opened())
    await running.tell(asked(), environment="live")
    await running.tell(granted())
    journal = await running.journaled(2)
    assert [entry["type"] for entry in journal] == ["incident.opened", "approval.granted"]


async def test_an_event_that_comes_again_keeps_its_place_in_the_journal(running: Running) -> None:
    await running.tell(opened(), event_id="one")
    await running.tell(granted(), event_id="two")
    await running.tell(opened(), event_id="one", resend=1)
    await running.tell(executed()[0], event_id="three")
    journal = await running.journaled(3)
    assert [entry["id"] for entry in journal] == ["one", "two", "three"]


async def test_an_unknown_incident_is_a_404_that_names_it(running: Running) -> None:
    async with running.operator() as operator:
        answer = await operator.get("/api/incidents/INC-NOWHERE")
    assert answer.status_code == 404
    assert "INC-NOWHERE" in answer.json()["error"]


async def test_slack_gets_one_message_for_an_incident_and_the_executor_is_told(running: Running, world: World) -> None:
    await running.tell(*until_asked())
    sent = await running.sent("decisions.v1")
    envelope, body = sent[0]
    assert envelope.type == "notice.posted"
    assert body["approval_id"] == APPROVAL

    async def both() -> bool:
        return any(body["channels"] == ["terminal", "slack"] for _, body in await running.sent("decisions.v1"))

    await eventually(both)
    newest = world.posts[-1]
    assert {post["marker"] for post in world.posts} == {INCIDENT}
    assert newest["simulated"]
    assert newest["text"].startswith("SIMULATED · Approve?")
    assert newest["link"].endswith(f"/a/{APPROVAL}")


async def test_a_slack_that_is_down_does_not_keep_the_executor_from_hearing(running: Running, world: World) -> None:
    world.is_down = True
    await running.tell(*until_asked())
    _, body = (await running.sent("decisions.v1"))[0]
    assert body["channels"] == ["terminal"]
    world.is_down = False

    async def posted() -> bool:
        return bool(world.posts)

    await eventually(posted)
    assert world.posts[0]["link"].endswith(f"/a/{APPROVAL}")


async def test_a_repeated_question_gets_the_same_answer_again(running: Running) -> None:
    await running.tell(*until_asked()[:-1])
    question = asked()
    await running.tell(question, event_id="q")
    first = (await running.sent("decisions.v1", 2))[1]
    await running.tell(question, event_id="q", resend=1)
    again = (await running.sent("decisions.v1", 3))[2]
    assert again[0].id == first[0].id
    assert again[0].resend == 1
    assert again[1] == first[1]


async def test_the_terminal_prints_a_link_that_carries_a_login(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    await running.tell(*until_asked())
    await running.sent("decisions.v1", 2)  # One word for each channel that has told people, in any order.
    printed = capsys.readouterr().err
    assert f"APPROVAL LINK  http://127.0.0.1:8700/a/{APPROVAL}?login=" in printed
    assert "[SIMULATED]" in printed
