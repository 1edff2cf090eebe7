"""Executor and notifier in one process: from an approval to the first call, the weight of questions, late timers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import Row, at_most, percentile, resident_megabytes, row
from simulation.life import Life
from tests.resilience.house import RUNBOOK, House
from tests.resilience.matter import Matter, opened

PENDING = 200
"""Questions that wait while approvals are measured."""
MANY = 1_000
"""Questions whose weight is told."""
GIVEN = 200
"""Approvals that are measured: enough of them that the worst one alone is not the 99th of a hundred."""
TOGETHER = 25
"""Incidents that are told at a time."""
EXPIRES_SOON = "restart-soon"
LIMIT = 20.0
PACE = 1.0
"""Data seconds a second: slowly enough that the worlds of the waiting questions need no time of ours."""


def run(bench: Bench) -> list[Row]:
    """Return latencies with 200 questions pending, and the weight of 1,000."""
    # First: a process that has done other things before keeps room for them, and questions move into it.
    weight = asyncio.run(_weighed(bench, bench.folder / "full-house"))
    return [*asyncio.run(_measured(bench, bench.folder / "house")), weight]


async def _weighed(bench: Bench, folder: Path) -> Row:
    many = int(bench.either(MANY, 10))
    async with _house(folder) as house:
        life = house.begin(PACE)
        await _ask(house, [life] * 2)
        before = _weight(house)
        await _ask(house, [life] * many)
        return row(f"{many:,} pending", "MB", [_weight(house) - before], at_most(50.0))


async def _measured(bench: Bench, folder: Path) -> list[Row]:
    pending, given = int(bench.either(PENDING, 5)), int(bench.either(GIVEN, 3))
    async with _house(folder) as house:
        life = house.begin(PACE)
        await _ask(house, [life] * pending)
        calls = [await _approve(house) for _ in range(given)]
        late = [await _expire(house) for _ in range(int(bench.either(8, 1)))]
    return [
        row(f"{pending} pending: approval to first call, p50", "ms", [percentile(calls, 0.5)]),
        row(f"{pending} pending: approval to first call, p99", "ms", [percentile(calls, 0.99)], at_most(150.0)),
        row(f"{pending} pending: an expiry is told late by, worst", "ms", [max(late)], at_most(250.0)),
    ]


@contextlib.asynccontextmanager
async def _house(folder: Path) -> AsyncIterator[House]:
    await asyncio.to_thread(folder.mkdir)
    house = House(folder, "")
    await house.open()
    try:
        yield house
    finally:
        await house.close()


def _weight(house: House) -> float:
    house.heard.clear()  # What the bench itself remembers.
    gc.collect()
    return resident_megabytes(os.getpid())


async def _ask(house: House, lives: Sequence[Life]) -> None:
    """Let an incident wait for its approval in each of these runs."""
    for first in range(0, len(lives), TOGETHER):
        await asyncio.gather(*(_asked(house, life) for life in lives[first : first + TOGETHER]))


async def _asked(house: House, life: Life, runbook: str = RUNBOOK) -> Matter:
    matter = Matter(house, life, f"sim:{life.run.id}")
    await matter.tell(opened(matter.environment), matter.recommendation(runbook))
    heard = await matter.until("approval.requested", "plan.refused")
    assert heard.type == "approval.requested", heard.body
    matter.question = heard.body
    return matter


async def _approve(house: House) -> float:
    """Approve a question in a run of its own; return milliseconds until the world was called."""
    matter = await _asked(house, house.begin())
    begun = time.perf_counter()
    await matter.submit()
    while not matter.life.run.done:
        assert time.perf_counter() - begun < LIMIT, matter.heard()
        await asyncio.sleep(0.0005)
    return (time.perf_counter() - begun) * 1000


async def _expire(house: House) -> float:
    """Let a question expire; return by how many milliseconds that was told late."""
    matter = await _asked(house, house.begin(PACE), EXPIRES_SOON)
    await matter.until("approval.expired")
    return (time.time() - datetime.fromisoformat(matter.question["expires_at"]).timestamp()) * 1000
