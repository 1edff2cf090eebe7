"""The engine's process: one case at a time, replaced when it ends or hangs, gone when we are."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.diagnoser.adapters.engine_process import ENVIRONMENT, EngineProcess
from shared.errors import RefusedError, UnavailableError
from tests.contract.diagnoser.conftest import SMALL_ENGINE
from tests.support.kinds import eventually
from tests.support.world import lines

CASE: dict[str, Any] = {
    "case_id": "leak",
    "metrics": [
        {"id": "m", "entity": "host-1", "name": "memory", "baseline": [40.0, 41.0], "window": [60.0, 92.0]},
        {"id": "n", "entity": "host-2", "name": "memory", "baseline": [40.0, 41.0], "window": [41.0, 40.0]},
    ],
}
Make = Callable[..., EngineProcess]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[EngineProcess] = []

    def maker(case_seconds: float = 20.0) -> EngineProcess:
        command = [sys.executable, "-P", str(SMALL_ENGINE), str(tmp_path)]
        made.append(EngineProcess(case_seconds=case_seconds, command=command))
        return made[-1]

    yield maker
    for engine in made:
        await engine.stop()


async def taken(folder: Path, count: int) -> list[int]:
    """Return the processes that took a case, once there were `count`."""

    async def enough() -> list[int]:
        pids = [int(word) for word in lines(folder / "taken")[::2]]
        return pids if len(pids) >= count else []

    return await eventually(enough)


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_it_starts_with_the_first_case_and_stays(make: Make) -> None:
    engine = make()
    before = engine.pid

    first = await engine.diagnose(CASE, limit=20)
    pid = engine.pid
    second = await engine.diagnose(CASE, limit=20)

    assert before is None
    assert first == second
    assert first.result.causes[0].entity == "host-1"
    assert pid is not None
    assert engine.pid == pid


async def test_many_cases_are_answered_one_at_a_time_and_each_gets_its_own(make: Make, tmp_path: Path) -> None:
    engine = make()
    cases = []
    for number in range(8):
        metrics = [CASE["metrics"][0] | {"entity": f"host-{number}"}]
        cases.append({"case_id": f"c{number}", "metrics": metrics})

    found = await asyncio.gather(*(engine.diagnose(case, limit=20) for case in cases))

    assert [one.result.causes[0].entity for one in found] == [f"host-{n}" for n in range(8)]
    assert len(set(await taken(tmp_path, 8))) == 1


async def test_killed_in_the_middle_of_a_case_it_is_started_again_and_answers(make: Make, tmp_path: Path) -> None:
    engine = make()
    (tmp_path / "hold").touch()
    asked = asyncio.create_task(engine.diagnose(CASE, limit=20))
    [first] = await taken(tmp_path, 1)

    os.kill(first, signal.SIGKILL)

    _, second = await taken(tmp_path, 2)
    (tmp_path / "hold").unlink()
    assert (await asked).result.status == "diagnosed"
    assert first != second == engine.pid


async def test_a_case_that_ends_it_twice_is_given_up_and_the_next_one_is_answered(make: Make, tmp_path: Path) -> None:
    engine = make()
    (tmp_path / "die").touch()

    with pytest.raises(UnavailableError, match="ended 2 times over this case: it ended with status 3"):
        await engine.diagnose(CASE, limit=20)
    assert len(set(await taken(tmp_path, 2))) == 2
    (tmp_path / "die").unlink()

    assert (await engine.diagnose(CASE, limit=20)).result.status == "diagnosed"


async def test_what_is_no_answer_ends_it(make: Make, tmp_path: Path) -> None:
    engine = make()
    (tmp_path / "babble").touch()

    with pytest.raises(UnavailableError, match="cannot be read"):
        await engine.diagnose(CASE, limit=20)


async def test_one_that_thinks_for_too_long_is_ended(make: Make, tmp_path: Path) -> None:
    engine = make(case_seconds=1.0)
    (tmp_path / "hold").touch()

    with pytest.raises(UnavailableError, match="no conclusion after 1 s"):
        await engine.diagnose(CASE, limit=20)

    [pid] = await taken(tmp_path, 1)
    assert not is_alive(pid)
    (tmp_path / "hold").unlink()
    assert (await engine.diagnose(CASE, limit=20)).result.status == "diagnosed"


async def test_a_case_waits_for_its_turn_only_so_long(make: Make, tmp_path: Path) -> None:
    engine = make()
    (tmp_path / "hold").touch()
    first = asyncio.create_task(engine.diagnose(CASE, limit=20))
    await taken(tmp_path, 1)

    with pytest.raises(UnavailableError, match="waiting for a turn included"):
        await engine.diagnose(CASE, limit=0.05)

    (tmp_path / "hold").unlink()
    assert (await first).result.status == "diagnosed"


async def test_a_case_that_is_cancelled_leaves_no_answer_for_the_next(make: Make, tmp_path: Path) -> None:
    engine = make()
    (tmp_path / "hold").touch()
    first = asyncio.create_task(engine.diagnose(CASE, limit=20))
    [pid] = await taken(tmp_path, 1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not is_alive(pid)
    (tmp_path / "hold").unlink()

    other = {"case_id": "none", "metrics": []}

    assert (await engine.diagnose(other, limit=20)).result.status == "inconclusive"


async def test_what_the_engine_refuses_is_told_with_its_reason(make: Make) -> None:
    with pytest.raises(RefusedError, match="bad_case: it says so"):
        await make().diagnose({"case_id": "refuse"}, limit=20)


async def test_the_engine_of_the_product_answers_at_low_priority() -> None:
    engine = EngineProcess(case_seconds=20.0)

    found = await engine.diagnose({}, limit=30)

    assert found.result.status == "inconclusive"
    assert engine.pid is not None
    assert os.getpriority(os.PRIO_PROCESS, engine.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    await engine.stop()


async def test_its_environment_is_explicit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNOFF_DIAGNOSER__RECEIPT_KEY", "a-secret")
    engine = make()

    found = await engine.diagnose({"case_id": "environment"}, limit=20)

    seen = json.loads(found.result.statement)
    assert seen.items() >= ENVIRONMENT.items()
    assert not [name for name in seen if name.startswith("SIGNOFF")]
    assert "a-secret" not in found.result.statement


async def test_it_ends_with_us(make: Make) -> None:
    engine = make()
    await engine.diagnose(CASE, limit=20)
    pid = engine.pid
    assert pid is not None

    await engine.stop()

    assert not is_alive(pid)
    with pytest.raises(UnavailableError, match="stopping"):
        await engine.diagnose(CASE, limit=20)


async def test_a_command_that_is_not_there_is_named() -> None:
    engine = EngineProcess(case_seconds=1.0, command=["/no/such/engine"])

    with pytest.raises(UnavailableError, match="cannot be started"):
        await engine.diagnose(CASE, limit=5)


PARENT = """
import asyncio, sys
from services.diagnoser.adapters.engine_process import EngineProcess

async def main():
    engine = EngineProcess(case_seconds=60, command=[sys.executable, "-P", *sys.argv[1:]])
    await engine.diagnose({"case_id": "x"}, limit=60)
    print(engine.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_it_ends_when_we_are_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        str(SMALL_ENGINE),
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert is_alive(pid)

    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not is_alive(pid)

    await eventually(gone)
