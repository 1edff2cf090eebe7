"""The wall clock of a machine is set while people are asked or a call is under way: nothing ends late or runs twice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.resilience.await_stories import ENDS
from tests.resilience.conftest import Enter
from tests.resilience.house import House
from tests.resilience.matter import Matter, asked
from tests.resilience.report import Line

pytestmark = [pytest.mark.nightly, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

HOUR, TEN_YEARS = 3600.0, 3653 * 86_400.0
SetClock = Callable[[float], None]


@pytest_asyncio.fixture(loop_scope="module")
async def set_clock(house: House) -> AsyncIterator[SetClock]:
    """Set the wall clock of everything in this process by so many seconds, until the end of the test.

    What keeps its own time does not follow a clock back, so everything starts anew then, and people sign in again.
    """
    real = time.time
    with pytest.MonkeyPatch.context() as patch:

        def set_by(seconds: float) -> None:
            patch.setattr(time, "time", lambda: real() + seconds)
            house.forget_sessions()

        yield set_by
    house.forget_sessions()
    async with house.down():
        pass


def is_on_server(house: House) -> bool:
    """Say whether the services keep their time by a database server, whose clock nobody sets here."""
    return bool(house._location)


async def ended(matter: Matter) -> None:
    """Return once the executor has had its last word, and check that one call was made at most."""
    await matter.until(*ENDS, "approval.expired")
    assert len(matter.calls) <= 1, matter.calls
    await matter.pages_agree()


@pytest.mark.parametrize("back", [HOUR, TEN_YEARS])
async def test_a_question_ends_in_time_though_the_clock_is_set_back(
    house: House, set_clock: SetClock, back: float, enter: Enter
) -> None:
    matter = await asked(house, "restart-soon")
    set_clock(-back)
    await matter.until("approval.expired")
    await matter.submit()
    assert (await matter.refusal())["why"] == "already_decided"
    await matter.nothing_happened("Approval expired; nothing ran")
    where = "executor and notifier, sqlite and postgres"
    enter(Line("F26", f"clock set back {back / HOUR:g} h while people are asked", where, "0", 0, 0, within="20 s"))


@pytest.mark.parametrize("ahead", [HOUR, TEN_YEARS])
async def test_a_clock_set_ahead_ends_a_question_or_changes_nothing(
    house: House, set_clock: SetClock, ahead: float, enter: Enter
) -> None:
    matter = await asked(house)
    set_clock(ahead)
    if is_on_server(house):
        await matter.submit()
        await ended(matter)
        assert len(matter.calls) == 1
    else:
        await matter.until("approval.expired")
        await matter.submit()
        await matter.refusal()
        assert matter.calls == []
        if ahead == HOUR:  # After ten years even the journal may be gone.
            await matter.nothing_happened("Approval expired; nothing ran")
    where = "executor and notifier, sqlite and postgres"
    enter(Line("F26", f"clock set ahead {ahead / HOUR:g} h while people are asked", where, "0", 0, 0, within="20 s"))


@pytest.mark.parametrize("after", ["approval.granted", "execution.started", "step.started"])
@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
async def test_a_clock_that_is_set_between_claim_and_call_makes_no_second_call(
    house: House, set_clock: SetClock, seconds: float, after: str, enter: Enter
) -> None:
    matter = await asked(house)
    await matter.submit()
    await matter.until(after)
    set_clock(seconds)
    await ended(matter)
    fault = f"clock set {'ahead' if seconds > 0 else 'back'} 1 h between claim and call"
    enter(Line("F26", fault, "executor and notifier, sqlite and postgres", "0", 0, 0, within="20 s"))
