"""The clock of an SQLite store, whatever is done to the clocks of its machine."""

from __future__ import annotations

import pytest

from shared.store.sqlite import clock
from shared.store.sqlite.clock import SteadyClock

HOUR, TEN_YEARS = 3600.0, 10 * 365 * 86_400.0


class Machine:
    """A machine with a wall clock that people set and a monotonic one that nobody can."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = 1_000_000.0, 50.0
        patch.setattr(clock, "wall", lambda: self.wall)
        patch.setattr(clock, "monotonic", lambda: self.monotonic)

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.mark.parametrize("back", [0.001, 1.0, HOUR, TEN_YEARS])
def test_a_clock_that_is_set_back_is_not_followed_back_and_time_goes_on(machine: Machine, back: float) -> None:
    steady = SteadyClock()
    before = steady.now()
    machine.wall -= back

    assert steady.now() == before
    machine.go_on(60.0)
    assert steady.now() == before + 60.0


@pytest.mark.parametrize("ahead", [1.0, HOUR, TEN_YEARS])
def test_a_clock_that_is_set_ahead_is_followed_and_stays_there_when_it_is_set_right(
    machine: Machine, ahead: float
) -> None:
    steady = SteadyClock()
    before = steady.now()
    machine.wall += ahead

    assert steady.now() == before + ahead
    machine.wall -= ahead
    machine.go_on(5.0)
    assert steady.now() == before + ahead + 5.0


def test_a_clock_that_stands_still_does_not_stop_time(machine: Machine) -> None:
    steady = SteadyClock()
    before = steady.now()
    machine.monotonic += 30.0

    assert steady.now() == before + 30.0
