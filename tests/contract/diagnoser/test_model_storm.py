"""Five hundred incidents in a minute, with a model: within the budgets, all answered, and degraded in the open."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from services.diagnoser.adapters.tables import INVESTIGATION
from shared.events.payload import INCIDENTS
from tests.contract.diagnoser.conftest import Running, alert
from tests.support.kinds import eventually

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
INCIDENTS_AT_ONCE = 500
WITHIN = 300.0
TURNS = 60
"""What the day may use, for all steps together. A conversation here has one turn and is reserved six."""


@pytest.fixture
def engine() -> None:
    """None: the engine that is configured."""
    return


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "diagnoser.db")


@pytest.fixture
def changes(tmp_path: Path) -> dict[str, Any]:
    replies = tmp_path / "replies"
    replies.mkdir()
    answers = {
        "diagnose": {"status": "inconclusive", "causes": [], "findings": [], "ruled_out": []},
        "classify": {"chosen": [], "sentences": []},
    }
    for step, answer in answers.items():
        content = [{"type": "text", "text": orjson.dumps(answer).decode()}]
        turn = {"content": content, "wait_seconds": 0.5, "usage": {"output_tokens": 30}}
        (replies / f"{step}.json").write_bytes(orjson.dumps({"step": step, "turns": [turn]}))
    return {"engine": "recorded", "model": {"replies": replies, "day": {"turns": TURNS}}}


def results(running: Running) -> list[dict[str, Any]]:
    """Return all that was concluded."""
    found: list[dict[str, Any]] = []
    offset = 0
    while rows := running.bus._file.read(INCIDENTS, offset, 500):
        offset = rows[-1].offset
        types = [(dict(orjson.loads(row.headers)), row) for row in rows]
        found += [orjson.loads(row.body)["result"] for headers, row in types if "diagnosis." in str(headers)]
    return found


async def test_five_hundred_incidents_in_a_minute_are_all_answered_within_the_budget(running: Running) -> None:
    began = monotonic()
    for number in range(INCIDENTS_AT_ONCE):
        given = alert(f"errors-{number}", running.outside.now(), services=(f"svc-{number}",), host=f"host-{number}")
        await running.deliver(given)
    assert monotonic() - began < 60

    async def all_looked_at() -> bool:
        # Reading all events again and again would take more time than what is measured.
        [row] = await running.store.select(select(func.count().label("n")).select_from(INVESTIGATION))
        await asyncio.sleep(0.2)
        return int(row["n"]) >= INCIDENTS_AT_ONCE

    async def all_answered() -> list[dict[str, Any]]:
        told = results(running)
        return told if len(told) >= INCIDENTS_AT_ONCE else []

    await eventually(all_looked_at, WITHIN)
    found = await eventually(all_answered, 10.0)
    why = Counter((one["degraded"] or "passed").partition(":")[0] for one in found)
    steps = Counter(text.partition(": ")[2].partition(":")[0] for one in found for text in one["degraded_steps"])
    day = (await running.get("/budget"))["day"]
    print(round(monotonic() - began, 1), dict(why), dict(steps), day["used"])  # noqa: T201 -- what a nightly run measured
    assert set(why) <= {"passed", "busy", "budget"}
    assert set(steps) <= {"busy", "budget", "no_time"}
    assert TURNS // 2 < why["passed"] <= day["used"]["turns"] <= TURNS
    assert why["budget"] > INCIDENTS_AT_ONCE // 2
    assert all(one["engine"] == "recorded" for one in found)
    assert all(day["used"][name] <= day["limit"][name] for name in day["used"])
