"""What every shipped scenario has to do, at any time of day: ring soon, and only for its own trouble; be understood."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from cli.diagnosis import diagnose_case
from simulation.case import case_of
from simulation.run import Clock, Run
from simulation.scenario import load_scenario, scenario_names

FIXTURES = Path(__file__).parents[3] / "fixtures"
START = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
HOURS = (3, 9, 15, 21)

pytestmark = pytest.mark.parametrize("name", scenario_names(FIXTURES))


def is_firing(run: Run, at: float) -> bool:
    return any(run.judge(monitor, at, firing=False) == "fires" for monitor in run.scenario.monitors)


@pytest.mark.parametrize("hour", HOURS)
def test_nobody_waits_for_its_first_alert_which_comes_of_its_trouble(name: str, hour: int) -> None:
    scenario = load_scenario(FIXTURES, name)
    run = Run("r1", scenario, Clock(START + hour * 3600.0, speed=10.0))
    assert is_firing(run, run.clock.data(run.clock.wall0 + 5.0))
    assert not is_firing(run, run.clock.wall0 - (scenario.begins_minute + 1) * 60.0)


@pytest.mark.slow
@pytest.mark.parametrize("hour", HOURS[1::2])
def test_it_is_understood_at_once(name: str, hour: int) -> None:
    truth = orjson.loads((FIXTURES / name / "expected.json").read_bytes())
    found = diagnose_case(case_of(load_scenario(FIXTURES, name), minutes=0.5, begins=START + hour * 3600.0))
    assert (found.status, found.causes[0].cause) == ("diagnosed", truth["cause"])
    assert found.causes[0].entity in truth["root_entities"]
    assert found.confidence >= 0.7
