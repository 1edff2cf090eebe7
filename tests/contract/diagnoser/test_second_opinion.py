"""The whole diagnoser with a model beside the offline engine, replayed from recorded replies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import update

from cli.diagnosis import rerunner
from cli.rerunning import as_it_was, differences, is_same, rerun
from services.diagnoser import app as diagnoser
from services.diagnoser.adapters.tables import MODEL_USE
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.settings import Settings
from shared.errors import ConfigurationError, RefusedError
from shared.events.approvals import PlanRefused
from shared.events.people import QuestionAsked
from shared.incident.evidence import LookAlike
from shared.runtime.service import Surroundings
from tests.contract.diagnoser.conftest import KEY, PERSON, PROJECT, TOKEN, Outside, Running, Start, alert
from tests.support.cases import case
from tests.support.kinds import eventually

pytestmark = pytest.mark.slow
CHANGED: dict[str, Any] = {"engine": "recorded", "investigate_every": 0.1}


@pytest.fixture
def engine() -> None:
    """None: the engine that is configured."""
    return


@pytest.fixture
def location(tmp_path: Path) -> str:
    """One database is enough here: the ledger has its own tests on both."""
    return str(tmp_path / "diagnoser.db")


@pytest.fixture
def changes() -> dict[str, Any]:
    return CHANGED


async def concluded(running: Running, name: str = "cpu.percent") -> dict[str, Any]:
    """Return the result of the next investigation."""
    before = len(results(running))
    await running.deliver(alert(name, running.outside.now(), services=("storefront",), host="prod-web-03"))

    async def there() -> list[dict[str, Any]]:
        found = results(running)
        return found if len(found) > before else []

    return (await eventually(there, 30.0))[-1]


def results(running: Running) -> list[dict[str, Any]]:
    return [body["result"] for envelope, body in running.events() if envelope.type.startswith("diagnosis.")]


async def told_again(running: Running) -> None:
    """Run what is kept of each investigation again, as `signoff incidents replay` does, and compare."""
    incidents = {envelope.subject for envelope, _ in running.events() if envelope.type.startswith("diagnosis.")}
    names = [name for incident in incidents for name in await running.get(f"/incidents/{incident}/investigations")]
    assert names
    for name in names:
        kept = await running.get(f"/evidence/{name}")
        # In a thread of its own: a conversation needs a loop of its own.
        now = await asyncio.to_thread(rerun, kept, *rerunner())
        assert differences(as_it_was(kept), now) == []
        assert is_same(as_it_was(kept), now)


async def test_a_diagnosis_says_who_made_it_and_the_ledger_what_it_cost(running: Running) -> None:
    result = await concluded(running)

    account = await running.get("/budget")
    assert (result["engine"], result["degraded"]) == ("recorded", None)
    assert 0 < account["day"]["used"]["cost_usd"] < account["day"]["limit"]["cost_usd"]
    assert account["day"]["used"]["turns"] in {1, 2, 3}
    assert [row["used"] for row in account["incidents"]] == [account["day"]["used"]]
    await told_again(running)


class TestWithoutMoney:
    @pytest.fixture
    def changes(self) -> dict[str, Any]:
        return {**CHANGED, "model": {"day": {"turns": 6}, "incident": {"turns": 6}}}

    async def test_the_offline_answer_stands_and_says_that_the_budget_is_used_up(self, start: Start) -> None:
        running = await start()
        first = await concluded(running)
        await running.store.execute(update(MODEL_USE).values(turns=6))

        second = await concluded(running, "memory.used")

        assert first["degraded"] is None
        assert second["degraded"] == "budget: used up for this day"
        assert second["status"] in {"diagnosed", "inconclusive", "no_active_fault"}
        await told_again(running)


class TestSlow:
    @pytest.fixture
    def changes(self, tmp_path: Path) -> dict[str, Any]:
        slow = tmp_path / "slow.json"
        slow.write_bytes(orjson.dumps({"turns": [{"wait_seconds": 60}]}))
        return {**CHANGED, "model": {"replies": slow, "conversation": {"seconds": 4}}}

    async def test_a_child_that_ends_while_the_model_is_asked_leaves_the_offline_answer(self, start: Start) -> None:
        running = await start()
        await running.deliver(alert("cpu.percent", running.outside.now(), services=("storefront",), host="prod-web-03"))

        async def reserved() -> bool:
            return bool((await running.get("/budget"))["incidents"])

        await eventually(reserved, 30.0)
        engine = running.service._engine._process  # type: ignore[attr-defined]  # a test may look inside
        os.kill(engine.pid, signal.SIGKILL)

        async def there() -> list[dict[str, Any]]:
            return results(running)

        [result] = await eventually(there, 30.0)
        assert result["degraded"] == "unavailable: the model could not be asked"
        assert (await running.get("/budget"))["day"]["used"]["turns"] in {
            6,
            7,
        }  # one more when it was asked to classify, too
        await told_again(running)

    async def test_a_model_that_is_too_slow_leaves_the_offline_answer(self, start: Start) -> None:
        running = await start()
        result = await concluded(running)

        assert result["degraded"] == "timeout: no answer within 4 s"
        await told_again(running)


class TestLeaking:
    @pytest.fixture
    def changes(self, tmp_path: Path) -> dict[str, Any]:
        leak = tmp_path / "leak.json"
        content = [{"type": "text", "text": f"look for {KEY}"}]
        leak.write_bytes(orjson.dumps({"turns": [{"content": content, "stop_reason": "refusal"}]}))
        return {**CHANGED, "model": {"replies": leak}}

    async def test_a_secret_in_a_reply_is_not_kept_and_the_replay_says_so(self, running: Running) -> None:
        assert (await concluded(running))["degraded"] == "refusal"

        [incident] = {envelope.subject for envelope, _ in running.events() if envelope.type.startswith("diagnosis.")}
        [name, *_] = await running.get(f"/incidents/{incident}/investigations")
        kept = await running.get(f"/evidence/{name}")
        assert kept["replies"]["turns"][0]["content"] == [{"type": "text", "text": "look for [redacted]"}]
        with pytest.raises(RefusedError, match="reply 1 of the model is not kept whole"):
            rerun(kept, *rerunner())


class TestCrowded:
    @pytest.fixture
    def changes(self, tmp_path: Path) -> dict[str, Any]:
        slow = tmp_path / "slow.json"
        slow.write_bytes(orjson.dumps({"turns": [{"wait_seconds": 60}]}))
        return {**CHANGED, "model": {"replies": slow, "conversation": {"seconds": 5}}}

    async def test_beyond_four_at_once_nobody_waits_for_the_model(self, start: Start) -> None:
        running = await start()
        for number in range(7):
            given = alert(f"errors-{number}", running.outside.now(), services=(f"svc-{number}",), host=f"host-{number}")
            await running.deliver(given)

        async def all_answered() -> list[dict[str, Any]]:
            found = results(running)
            return found if len(found) >= 7 else []

        why = Counter(str(one["degraded"]) for one in await eventually(all_answered, 60.0))
        assert why["busy: the model is asked about 4 other incidents"] >= 1
        assert why["timeout: no answer within 5 s"] >= 4


async def test_a_model_without_a_key_is_refused_at_the_start(running: Running, outside: Outside) -> None:
    surroundings = Surroundings(data=PROJECT, project=PROJECT, service_token=TOKEN, peers={})
    settings = Settings.model_validate({"receipt_key": "k", "engine": "anthropic", "world": {"url": outside.url}})

    with pytest.raises(ConfigurationError, match=r"needs diagnoser\.model\.api_key"):
        diagnoser.build_app(settings, running.bus, running.store, surroundings)


ADDED = {"statement": "it was opened", "cites": ["incident.opened"]}
QUESTION = "what is the meaning of it all?"


async def asked(running: Running, incident: str, number: int) -> dict[str, Any]:
    """Ask a question that code does not understand, and return the answer."""
    question = QuestionAsked(request_id=f"req-{number}", actor=PERSON, incident_id=incident, text=QUESTION)
    await running.say(question, incident, f"notifier/request/req-{number}")

    async def there() -> list[dict[str, Any]]:
        found = [body for envelope, body in running.events() if envelope.type == "question.answered"]
        return [body for body in found if body["question_id"] == f"req-{number}"]

    return (await eventually(there, 30.0))[0]


def only_incident(running: Running) -> str:
    [incident] = {envelope.subject for envelope, _ in running.events() if envelope.type.startswith("diagnosis.")}
    return str(incident)


class TestSteps:
    @pytest.fixture
    def changes(self, tmp_path: Path) -> dict[str, Any]:
        replies = tmp_path / "replies"
        replies.mkdir()
        diagnosed = {"status": "inconclusive", "causes": [], "findings": [], "ruled_out": []}
        texts: dict[str, Any] = {"diagnose": diagnosed, "answer": {"chosen": [], "sentences": [ADDED]}}
        for step, answer in texts.items():
            turn = {"content": [{"type": "text", "text": orjson.dumps(answer).decode()}]}
            (replies / f"{step}.json").write_bytes(orjson.dumps({"step": step, "turns": [turn]}))
        return {**CHANGED, "model": {"replies": replies, "day": {"turns": 12}, "incident": {"turns": 12}}}

    async def test_the_model_answers_pays_once_for_the_same_and_nothing_beyond_the_budget(self, start: Start) -> None:
        running = await start()
        await concluded(running)
        incident = only_incident(running)

        first = await asked(running, incident, 1)
        paid = await running.get("/budget")
        again = await asked(running, incident, 2)
        after = await running.get("/budget")
        await running.store.execute(update(MODEL_USE).values(turns=12))
        without = await asked(running, incident, 3)

        assert (first["engine"], first["degraded"]) == ("recorded", None)
        assert first["text"].startswith("Incident opened: ")
        assert first["text"] == again["text"]
        assert after["day"]["used"]["turns"] == paid["day"]["used"]["turns"]
        assert (paid["saved"]["turns"], after["saved"]["turns"]) == (0, 1)
        assert after["saved"]["cost_usd"] > 0
        assert without["degraded"] == "budget: used up for this day"
        assert without["text"].startswith("This is not a question")

    async def test_a_summary_is_written_when_the_model_has_nothing_to_replay(self, start: Start) -> None:
        running = await start()
        result = await concluded(running)
        incident = only_incident(running)
        if result["status"] == "diagnosed":
            made = (await running.said("recommendation.made"))["recommendation_id"]
            refused = PlanRefused(recommendation_id=made, runbook_id="r", why="no_actuator")
            await running.say(refused, incident, "executor/incident/x:1")

        async def closed() -> bool:
            # Until the refusal of the plan has arrived, a person's close is refused, too.
            await running.ask("close", incident)
            return "incident.closed" in running.types(incident)

        await eventually(closed, 30.0)

        summary = await running.said("summary.written")
        assert summary["degraded"] == "unavailable: no recorded reply fits and there is no default"
        assert summary["sentences"][0]["text"].startswith("Incident opened")

    async def test_the_model_may_look_at_what_was_like_it_before(self, start: Start) -> None:
        engine = (await start()).service._engine  # type: ignore[attr-defined]  # a test may look inside
        like = LookAlike(
            id="history-INC-B", incident_id="INC-B", closed_at=datetime(2026, 1, 1, tzinfo=UTC), likeness=0.8
        )
        asked_about: list[Conclusion] = []

        async def recall(found: Conclusion) -> tuple[LookAlike, ...]:
            asked_about.append(found)
            return (like,)

        found = await engine.diagnose(case(), limit=60.0, recall=recall)

        assert [one.result.engine for one in asked_about] == ["offline"]
        assert (found.result.degraded, found.replies.look_alikes) == (None, (like,))
