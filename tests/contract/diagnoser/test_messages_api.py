"""The real SDK against a local server that speaks the Messages API, and what comes of each way it can go wrong."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.diagnoser.adapters.engine_process import EngineProcess
from services.diagnoser.domain.advice import Advice, Facts, StepName
from services.diagnoser.domain.case import Case, read_case
from services.diagnoser.domain.model_use import Reach, Use
from services.diagnoser.domain.opinion import PASSED, Opinion
from services.diagnoser.engines.anthropic import conversation, prompts
from services.diagnoser.engines.anthropic.asking import Terms, client_of
from services.diagnoser.engines.anthropic.consulting import advice, opinion
from services.diagnoser.engines.anthropic.ground import ground_of
from services.diagnoser.engines.anthropic.page import Page
from services.diagnoser.engines.offline.engine import diagnose
from shared.errors import UnavailableError
from shared.incident.evidence import Evidence
from tests.support.cases import case, lines, ramp, series
from tests.support.catalogue import load_catalogue
from tests.support.kinds import eventually
from tests.support.messages_api import MessagesServer, failure, http, message, text

pytestmark = pytest.mark.slow
KEY = "sk-test-0123456789-the-key"
ALLOWANCE = Use(turns=6, tool_calls=12, input_tokens=40_000, output_tokens=6_000, cost_usd=0.5, seconds=20.0)
CATALOGUE = load_catalogue()
MEBIBYTES = 180
RIGHT: dict[str, Any] = {
    "status": "diagnosed",
    "causes": [{"cause": "resource_leak.memory", "entity": "web-a", "change": "", "cites": ["M01"]}],
    "findings": [{"statement": "memory of web-a grows without end", "cites": ["M01"]}],
    "ruled_out": [],
}
FABRICATED = {**RIGHT, "causes": [{**RIGHT["causes"][0], "cites": ["M99"]}]}
LOOK = {"type": "tool_use", "id": "t1", "name": "metric_detail", "input": {"entity": "web-a", "channel": "memory"}}


def leak() -> Case:
    return read_case(case({"web-a/mem.used_pct": ramp(40.0, -60), "web-a/cpu_pct": ramp(50.0, -40)}))


async def asked(*answers: bytes | None, allowance: Use = ALLOWANCE) -> tuple[Opinion, MessagesServer]:
    """Return the opinion that comes of these answers, and the server that gave them."""
    async with MessagesServer(list(answers)) as server:
        reach = Reach(kind="anthropic", model="claude-sonnet-5-5", base_url=server.url, key=SecretStr(KEY))
        async with client_of(reach) as client:
            found = await opinion(ground_of(leak(), CATALOGUE), client, Terms(reach=reach, allowance=allowance))
    return found, server


def offline() -> Any:  # noqa: ANN401 -- JSON
    return diagnose(leak(), CATALOGUE).result


async def test_it_looks_with_a_tool_and_answers() -> None:
    found, server = await asked(message([LOOK], "tool_use"), message(text(RIGHT)))

    assert (found.outcome, found.conclusion.result.degraded) == (PASSED, None)
    assert found.conclusion.result.findings[0].statement == "memory of web-a grows without end"
    assert found.used.model_dump(exclude={"seconds", "cost_usd"}) == {
        "turns": 2,
        "tool_calls": 1,
        "input_tokens": 4000,
        "output_tokens": 200,
    }
    # 1,000 as they are, 400 written to the cache and 600 read from it, 100 out: twice, at 2 and 10 USD a million.
    assert found.used.cost_usd == pytest.approx(2 * (1000 * 2 + 400 * 2.5 + 600 * 0.2 + 100 * 10) / 1e6)
    first, second = server.asked
    assert first["max_tokens"] == 2000
    assert first["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert first["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    assert first["output_config"]["format"]["schema"]["additionalProperties"] is False
    [result] = second["messages"][-1]["content"]
    assert result["tool_use_id"] == "t1"
    assert "every" in result["content"]


async def test_the_key_is_in_a_header_and_nowhere_else() -> None:
    _, server = await asked(message(text(RIGHT)))

    assert KEY in server.headers[0]
    assert KEY not in json.dumps(server.asked)


async def test_the_last_turn_has_no_tools() -> None:
    found, server = await asked(message([LOOK], "tool_use"), allowance=ALLOWANCE.model_copy(update={"turns": 2}))

    assert [request["tool_choice"]["type"] for request in server.asked] == ["auto", "none"]
    assert found.outcome != PASSED


async def test_an_answer_that_does_not_pass_may_be_mended_once() -> None:
    found, server = await asked(message(text(FABRICATED)), message(text(RIGHT)))

    assert found.outcome == PASSED
    assert "no evidence 'M99' was shown" in server.asked[1]["messages"][-1]["content"][0]["text"]


async def test_an_answer_that_is_paused_goes_on() -> None:
    found, server = await asked(message([{"type": "text", "text": "..."}], "pause_turn"), message(text(RIGHT)))

    assert found.outcome == PASSED
    assert server.asked[1]["messages"][-1]["role"] == "assistant"


async def test_too_many_requests_are_asked_again_when_the_service_says() -> None:
    found, server = await asked(failure(429, "rate_limit_error", retry_after="0.1"), message(text(RIGHT)))

    assert (found.outcome, len(server.asked)) == (PASSED, 2)
    assert found.used.turns == 1


async def test_a_wait_beyond_the_time_that_is_left_is_not_begun() -> None:
    found, server = await asked(failure(429, "rate_limit_error", retry_after="600"))

    assert (found.outcome, len(server.asked)) == ("rate_limited", 1)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "PAUSE", 0.01)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "soon"])
async def test_a_wait_that_is_no_time_is_as_long_as_one_that_is_not_said(said: str) -> None:
    found, server = await asked(failure(429, "rate_limit_error", retry_after=said), message(text(RIGHT)))

    assert (found.outcome, len(server.asked)) == (PASSED, 2)


CUT = http(200, b'{"id": "msg_1", "type": "mess', length=4000)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "answers,outcome,requests",
    [
        pytest.param([message([], "refusal")], "refusal", 1, id="a refusal"),
        pytest.param([message(text("{"), "max_tokens")], "max_tokens", 1, id="an answer that was cut off"),
        pytest.param([message([], "model_context_window_exceeded")], "model_context_window_exceeded", 1, id="too long"),
        pytest.param([message([], "something_new")], "garbage", 1, id="an end that nobody knows"),
        pytest.param([failure(529, "overloaded_error")], "unavailable", 3, id="an overload that lasts"),
        pytest.param([failure(500, "api_error")], "unavailable", 3, id="a service that is broken"),
        pytest.param([failure(401, "authentication_error")], "not_accepted", 1, id="a key that is wrong"),
        pytest.param([failure(400, "invalid_request_error")], "not_accepted", 1, id="a request that is wrong"),
        pytest.param([CUT], "unavailable", 3, id="a body that is cut off"),
        pytest.param([http(200, b"<html>no</html>")], "garbage", 1, id="a body that is no JSON"),
        pytest.param([http(200, b'{"a": 1}')], "garbage", 1, id="a body of another kind"),
        pytest.param([message(text(RIGHT), input_tokens=10**20)], "garbage", 1, id="more tokens than there are"),
        pytest.param([message(text(RIGHT), output_tokens=-1)], "garbage", 1, id="fewer tokens than none"),
        pytest.param([message(text("no JSON"))], "gate", 2, id="text that is no answer, twice"),
        pytest.param([message(text(FABRICATED))], "gate", 2, id="evidence that does not exist, twice"),
        pytest.param([message([], "tool_use")], "garbage", 1, id="a call of no tool"),
    ],
)
async def test_whatever_goes_wrong_the_offline_answer_stands(answers: list[bytes], outcome: str, requests: int) -> None:
    found, server = await asked(*answers)

    assert (found.outcome, len(server.asked)) == (outcome, requests)
    result = found.conclusion.result
    assert (result.degraded or "").startswith(outcome)
    assert result.model_copy(update={"engine": "offline", "degraded": None}) == offline()
    assert "secret-of-the-service" not in found.model_dump_json()


async def test_a_service_that_never_answers_costs_its_time_and_what_it_may_have_billed() -> None:
    found, _ = await asked(None, allowance=ALLOWANCE.model_copy(update={"seconds": 0.5}))

    assert found.outcome == "timeout"
    assert found.used.turns == 1
    assert found.used.output_tokens == 2000
    assert found.used.cost_usd > 0.02


async def test_what_a_turn_may_cost_is_bounded_before_it_is_asked() -> None:
    little = ALLOWANCE.model_copy(update={"cost_usd": 0.02})
    found, server = await asked(message(text(RIGHT)), allowance=little)
    assert found.outcome == PASSED
    assert server.asked[0]["max_tokens"] < 2000

    nothing, idle = await asked(allowance=ALLOWANCE.model_copy(update={"cost_usd": 0.001}))
    assert (nothing.outcome, idle.asked) == ("budget", [])


def terms_for(server: MessagesServer) -> dict[str, Any]:
    reach = Reach(kind="anthropic", model="claude-sonnet-5-5", base_url=server.url, key=SecretStr(KEY))
    return {"reach": reach.wire(), "allowance": ALLOWANCE.model_dump(mode="json")}


async def test_the_child_asks_stays_small_and_keeps_the_key_out_of_what_others_can_see() -> None:
    large = case({"web-a/mem.used_pct": ramp(40.0, -60), "web-a/cpu_pct": ramp(50.0, -40)})
    large["metrics"] += [series(f"node-{n}", "cpu_pct", 40.0, unit="%") for n in range(50)]
    for one in large["metrics"]:
        one["baseline"] = one["baseline"] * 4
    large["logs"] = lines("web-a", "request {n} took {n} ms", 20_000)
    look = {**LOOK, "input": {"entity": "web-a", "channel": "memory"}}
    process = EngineProcess(case_seconds=60.0)
    async with MessagesServer([message([look], "tool_use"), message(text("no answer"))]) as server:
        found = await process.consult(large, terms_for(server), seconds=ALLOWANCE.seconds)
        status = Path(f"/proc/{process.pid}")
        peak = int(re.search(r"VmHWM:\s*(\d+)", (status / "status").read_text())[1])  # type: ignore[index]  # always there
        seen = (status / "cmdline").read_bytes() + (status / "environ").read_bytes()
        await process.stop()

    assert (found.outcome, len(server.asked)) == ("gate", 3)
    assert peak / 1024 < MEBIBYTES
    assert KEY.encode() not in seen


async def test_offline_cases_are_answered_while_the_model_is_asked() -> None:
    process = EngineProcess(case_seconds=20.0)
    async with MessagesServer([None]) as server:
        asking = asyncio.create_task(process.consult(case(), terms_for(server), seconds=ALLOWANCE.seconds))

        async def asked() -> bool:
            return bool(server.asked)

        await eventually(asked)
        found = await process.diagnose(case(), limit=20)
        assert not asking.done()
        await process.stop()

    assert found.result.engine == "offline"
    with pytest.raises(UnavailableError, match="the engine ended"):
        await asking


FACTS = Facts(
    incident_id="INC-A",
    question="did it help?",
    evidence=(Evidence(id="M01", kind="metric", entity="web-a", channel="memory", summary="memory fell to 44.9 %"),),
)
ADDED = {"chosen": [], "sentences": [{"statement": "memory of web-a fell to 44.9 %", "cites": ["M01"]}]}
STEPS: tuple[StepName, ...] = ("classify", "recommend", "summarise", "answer")


async def advised(*answers: bytes | None, step: StepName = "answer") -> tuple[Advice, MessagesServer]:
    """Return what comes of these answers in a small step, and the server that gave them."""
    async with MessagesServer(list(answers)) as server:
        reach = Reach(kind="anthropic", model="claude-sonnet-5-5", base_url=server.url, key=SecretStr(KEY))
        async with client_of(reach) as client:
            terms = Terms(reach=reach, allowance=ALLOWANCE.model_copy(update={"seconds": 2.0}))
            found = await advice(step, Page(FACTS, CATALOGUE), client, terms)
    return found, server


@pytest.mark.parametrize("step", STEPS)
async def test_a_small_step_is_one_request_without_tools(step: StepName) -> None:
    found, server = await advised(message(text(ADDED)), step=step)

    assert (found.outcome, [one.text for one in found.sentences]) == (PASSED, ["memory of web-a fell to 44.9 %"])
    [request] = server.asked
    assert not {"tools", "tool_choice"} & set(request)
    assert request["system"][0]["text"] == prompts.instructions(step)
    assert request["output_config"]["format"]["schema"]["required"] == ["chosen", "sentences"]
    assert found.used.cost_usd == pytest.approx((1000 * 2 + 400 * 2.5 + 600 * 0.2 + 100 * 10) / 1e6)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "answers,outcome",
    [
        pytest.param([message([], "refusal")], "refusal", id="a refusal"),
        pytest.param([message(text("{"), "max_tokens")], "max_tokens", id="an answer that was cut off"),
        pytest.param([failure(529, "overloaded_error")], "unavailable", id="an overload that lasts"),
        pytest.param([failure(401, "authentication_error")], "not_accepted", id="a key that is wrong"),
        pytest.param([message([LOOK], "tool_use")], "budget", id="calls of a tool where there is none"),
        pytest.param([message(text("no JSON"))], "gate", id="text that is no answer, twice"),
        pytest.param([None], "timeout", id="no answer"),
    ],
)
async def test_whatever_goes_wrong_a_small_step_adds_nothing(answers: list[bytes | None], outcome: str) -> None:
    found, _ = await advised(*answers)

    assert (found.outcome, found.sentences, found.chosen) == (outcome, (), ())
    assert (found.degraded or "").startswith(outcome)


async def test_half_a_character_in_an_answer_does_not_break_the_next_request() -> None:
    broken = message(text("not \ud83d JSON"))
    found, server = await advised(broken, message(text(ADDED)))

    assert (found.outcome, len(server.asked), found.used.turns) == (PASSED, 2, 2)


async def test_the_child_asks_the_same_once() -> None:
    process = EngineProcess(case_seconds=20.0)
    async with MessagesServer([message(text(ADDED))]) as server:
        first, again = [await process.advise("answer", FACTS, terms_for(server), seconds=20.0) for _ in range(2)]
        status = await asyncio.to_thread(Path(f"/proc/{process.pid}/status").read_text)
        await process.stop()

    assert (len(server.asked), first.sentences) == (1, again.sentences)
    assert (again.used.turns, again.saved.turns, again.saved.cost_usd) == (0, 1, first.used.cost_usd)
    assert int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024 < MEBIBYTES  # type: ignore[index]  # always there
