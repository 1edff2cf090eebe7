"""What people said and what incidents showed, kept on both databases, and what the next investigation makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from services.diagnoser.adapters.memory import StoredMemory
from services.diagnoser.adapters.retention import DAY, Retention
from services.diagnoser.adapters.tables import PAST_INCIDENT, VERDICT
from services.diagnoser.domain.reliability import Standing
from shared.events.approvals import PlanRefused
from shared.events.people import FeedbackGiven, QuestionAsked
from shared.incident.actor import Actor
from shared.incident.alert import Alert
from shared.store.port import Store
from tests.contract.diagnoser.conftest import PERSON, Running, alert
from tests.support.kinds import eventually

HOST, SERVICE, CAUSE = "prod-web-03", "storefront", "resource_leak.memory"
POOL = "saturation.connection_pool"


async def said(store: Store, incident: str, person: str, verdict: str, **more: Any) -> None:  # noqa: ANN401 -- columns
    given = {"environment": "live", "cause": "a.b", "confidence": 0.8, "actual": "", "at": 1.0}
    row = {"incident_id": incident, "person": person, "verdict": verdict, **given, **more}
    await store.execute(insert(VERDICT).values(row))


async def showed(store: Store, incident: str, closed_at: float | None, **more: Any) -> None:  # noqa: ANN401 -- columns
    given = {"environment": "live", "at": 1.0, "title": "t", "cause": "a.b", "signs": '["alert: cpu"]'}
    await store.execute(
        insert(PAST_INCIDENT).values({"incident_id": incident, "closed_at": closed_at, **given, **more})
    )


async def test_several_words_on_one_incident_count_once_by_the_newest_and_only_in_their_environment(
    running: Running,
) -> None:
    store, memory = running.store, StoredMemory(running.store)
    await said(store, "INC-1", "ann", "wrong", at=1.0)
    await said(store, "INC-1", "ben", "right", at=2.0)
    await said(store, "INC-2", "ann", "wrong", confidence=0.6)
    await said(store, "INC-3", "ann", "wrong", environment="sim:x")
    await said(store, "INC-4", "ann", "wrong", cause="")

    assert await memory.standings("live") == {"a.b": Standing(judged=2, right=1, said=0.7)}
    assert await running.get("/reliability") == [{"cause": "a.b", "judged": 2, "right": 1, "said": 0.7, "most": None}]
    assert (await memory.standings("sim:x"))["a.b"].right == 0
    assert await memory.standings("sim:y") == {}


async def test_only_closed_incidents_of_the_environment_are_remembered_with_what_people_said(running: Running) -> None:
    store, memory = running.store, StoredMemory(running.store)
    await showed(store, "INC-1", 10.0)
    await showed(store, "INC-2", 20.0)
    await showed(store, "INC-3", 30.0)
    await showed(store, "INC-4", None)
    await showed(store, "INC-5", 50.0, environment="sim:x")
    await showed(store, "INC-6", 60.0, signs=None)
    await said(store, "INC-1", "ann", "wrong", actual="c.d")
    await said(store, "INC-2", "ann", "wrong", actual="unknown")

    found = await memory.past("live", but="INC-9")

    assert [(one.incident_id, one.cause, one.verdict) for one in found] == [
        ("INC-3", "a.b", ""),
        ("INC-2", "", "wrong"),
        ("INC-1", "c.d", "wrong"),
    ]
    assert found[0].signs == ("alert: cpu",)
    assert [one.incident_id for one in await memory.past("live", but="INC-3")] == ["INC-2", "INC-1"]


async def test_experience_goes_after_400_days(running: Running) -> None:
    now = await running.store.now()
    for days in (399, 401):
        await said(running.store, f"INC-{days}", "ann", "right", at=now - days * DAY)
        await showed(running.store, f"INC-{days}", now, at=now - days * DAY)

    assert await Retention(running.store).step() == 2
    assert await Retention(running.store).step() == 0


def memory_is_high(running: Running, **more: Any) -> Alert:  # noqa: ANN401 -- fields of an alert
    return alert("memory.used", running.outside.now(), services=(SERVICE,), host=HOST, **more)


async def judge(running: Running, incident: str, person: str, verdict: str, cause: str | None = None) -> None:
    running.count += 1
    actor = Actor(kind="person", id=person)
    given: dict[str, Any] = {"incident_id": incident, "verdict": verdict, "cause": cause}
    feedback = FeedbackGiven(request_id=f"req-{running.count}", actor=actor, **given)
    event_id = f"notifier/request/{feedback.request_id}"
    for _ in range(2):  # The bus delivers at least once.
        await running.say(feedback, incident, event_id)


@pytest.mark.slow
class TestNextTime:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {"reopen_within": 0.0, "close_after": 0.0}

    async def test_a_verdict_and_a_closed_incident_reach_the_next_diagnosis(self, running: Running) -> None:
        incident = await self.closed(running)
        await judge(running, incident, "ann", "right")
        await judge(running, incident, "ann", "wrong", POOL)
        await running.said("incident.noted", 2)
        [row] = await running.store.select(select(VERDICT))
        assert (row["verdict"], row["cause"], row["confidence"], row["actual"]) == ("wrong", CAUSE, 0.9, POOL)
        for number in range(4):
            more = {"environment": running.outside.environment, "cause": CAUSE}
            await said(running.store, f"INC-PAST{number}", "ann", "wrong", **more)

        await running.deliver(memory_is_high(running, fingerprint="f" * 32, cycle="c2"))

        concluded = await running.said("diagnosis.concluded", 2)
        gathered = await running.said("evidence.gathered", 2)
        [look_alike] = gathered["look_alikes"]
        assert (look_alike["incident_id"], look_alike["cause"], look_alike["verdict"]) == (incident, POOL, "wrong")
        assert 0.4 <= look_alike["likeness"] <= 1.0
        assert look_alike["id"] in {item["id"] for item in gathered["evidence"] if item["kind"] == "history"}
        result = concluded["result"]
        assert (result["confidence"], result["causes"][0]["confidence"]) == (0.434, 0.434)
        assert "capped at 43 %" in result["confidence_from"][-1]
        assert look_alike["id"] not in result["causes"][0]["cites"], "it had another cause"
        made = await running.said("recommendation.made", 2)
        assert all(item["confidence"] <= 0.434 for item in made["recommendations"]["items"])

    async def closed(self, running: Running) -> str:
        """Have one incident diagnosed, refused by the executor, recovered and closed; return its id."""
        given = await running.deliver(memory_is_high(running))
        made = await running.said("recommendation.made")
        incident = str((await running.decided(given))["incident_id"])
        refused = PlanRefused(recommendation_id=made["recommendation_id"], runbook_id="r", why="no_actuator")
        await running.say(refused, incident, "executor/x:1")
        await running.deliver(memory_is_high(running, recovered=True))
        await running.said("incident.closed")
        return incident


@pytest.mark.slow
async def test_a_question_is_answered_with_evidence_of_the_real_investigation(running: Running) -> None:
    given = await running.deliver(memory_is_high(running))
    await running.said("recommendation.made")
    incident = str((await running.decided(given))["incident_id"])
    question = QuestionAsked(request_id="req-q", actor=PERSON, incident_id=incident, text="why is it slow?")

    async def answered() -> Any:  # noqa: ANN401 -- JSON
        running.count += 1
        await running.say(question, incident, f"notifier/request/req-q-{running.count}")
        found = await running.said("question.answered")
        return found if found["cites"] else None

    answer = await eventually(answered)

    assert answer["text"].startswith(f"Likely, at 90 %: memory of {HOST} leaks.")
    assert "M01" in answer["cites"]
    assert answer["investigation_id"] == f"{incident}-i1"
