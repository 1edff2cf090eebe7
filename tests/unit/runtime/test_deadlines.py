from __future__ import annotations

import asyncio

import pytest

from shared.runtime.deadlines import GRAIN, Deadlines


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines()


async def test_a_wait_that_ends_in_time_is_left_alone(deadlines: Deadlines) -> None:
    with deadlines.within(10.0):
        await asyncio.sleep(0)


async def test_a_wait_beyond_its_limit_raises_soon_after_it(deadlines: Deadlines) -> None:
    begun = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError), deadlines.within(0.02):
        await asyncio.Event().wait()
    assert 0.02 <= asyncio.get_running_loop().time() - begun < 0.02 + 200 * GRAIN


async def test_of_many_waits_only_those_beyond_their_limit_end(deadlines: Deadlines) -> None:
    async def wait(seconds: float) -> str:
        try:
            with deadlines.within(seconds):
                await asyncio.sleep(0.2)
        except TimeoutError:
            return "late"
        return "in time"

    assert list(await asyncio.gather(wait(0.01), wait(30.0), wait(0.01))) == ["late", "in time", "late"]


async def test_a_later_wait_has_a_timer_again_when_none_was_left(deadlines: Deadlines) -> None:
    for _ in range(2):
        with pytest.raises(TimeoutError), deadlines.within(0.01):
            await asyncio.Event().wait()
        await asyncio.sleep(2 * GRAIN)


async def test_who_is_cancelled_by_somebody_else_is_cancelled_and_not_late(deadlines: Deadlines) -> None:
    async def wait() -> None:
        with deadlines.within(30.0):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_by_somebody_else_at_the_limit_is_cancelled(deadlines: Deadlines) -> None:
    async def wait() -> None:
        with deadlines.within(0.0):
            asyncio.get_running_loop().call_later(GRAIN, task.cancel)
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(2 * GRAIN)

    task = asyncio.create_task(wait())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_comes_out_as_it_is(deadlines: Deadlines) -> None:
    with pytest.raises(KeyError), deadlines.within(10.0):
        raise KeyError("a")
