from __future__ import annotations

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.errors import ConfigurationError, NotFoundError
from simulation.case import case_of
from simulation.run import RESTART, Clock, Run
from simulation.scenario import Scenario, load_scenario
from simulation.signals import noise

FIXTURES = Path(__file__).parents[3] / "fixtures"
START = datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()
MINUTE = 60.0


@pytest.fixture
def scenario() -> Scenario:
    return load_scenario(FIXTURES, "high_cpu")


@pytest.fixture
def run(scenario: Scenario) -> Run:
    return Run("r1", scenario, Clock(START, speed=10.0))


def newest(run: Run, entity: str, metric: str, at: float) -> float:
    [series] = [s for s in run.series([entity], at - 300, at) if s.name == metric]
    value = series.values[-1]
    assert value is not None
    return value


def firing(run: Run, at: float) -> set[str]:
    return {monitor.vendor for monitor in run.scenario.monitors if run.judge(monitor, at, firing=False) == "fires"}


@pytest.mark.parametrize("speed", [10.0, 30.0])
@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_nobody_waits_for_the_first_alert_of_a_replay(scenario: Scenario, hour: int, speed: float) -> None:
    run = Run("r1", scenario, Clock(START + hour * 3600.0, speed))
    assert firing(run, run.clock.data(run.clock.wall0 + 5.0))


@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_before_the_release_no_monitor_would_fire(scenario: Scenario, hour: int) -> None:
    run = Run("r1", scenario, Clock(START + hour * 3600.0))
    assert not firing(run, run.clock.wall0 - (scenario.begins_minute + 1) * MINUTE)


@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_both_monitors_fire_within_five_minutes_at_every_hour_of_the_day(scenario: Scenario, hour: int) -> None:
    run = Run("r1", scenario, Clock(START + hour * 3600.0))
    assert firing(run, run.clock.wall0 + 5 * MINUTE) == {"datadog", "pagerduty"}


@pytest.mark.parametrize("hour", range(0, 24, 4))
def test_restarting_the_leaking_process_makes_both_monitors_recover_and_stay_so(scenario: Scenario, hour: int) -> None:
    run = Run("r1", scenario, Clock(START + hour * 3600.0))
    at = run.clock.wall0 + 5 * MINUTE
    run.call(RESTART, "prod-web-03", {"process": "storefront", "pid": "4211"}, "token", at)
    for later in (5, 60, 240):
        for monitor in run.scenario.monitors:
            assert run.judge(monitor, at + later * MINUTE, firing=True) == "recovers"
    assert newest(run, "prod-web-03", "memory.used_percent", at + 5 * MINUTE) < 60


def test_doing_nothing_gets_worse(run: Run) -> None:
    early, late = START + 5 * MINUTE, START + 25 * MINUTE
    for metric in ("request.latency_p95", "request.errors_percent"):
        assert newest(run, "storefront", metric, late) > 1.3 * newest(run, "storefront", metric, early)


def test_restarting_another_host_costs_a_cold_start_and_does_not_help(run: Run) -> None:
    at = START + 5 * MINUTE
    before = newest(run, "storefront", "request.latency_p95", at)
    run.call(RESTART, "prod-web-01", {"process": "storefront"}, "token", at)
    assert newest(run, "storefront", "request.latency_p95", at + MINUTE) > before
    assert newest(run, "prod-web-03", "memory.used_percent", at + 5 * MINUTE) > 85


def test_one_token_is_obeyed_once(run: Run) -> None:
    first = run.call(RESTART, "prod-web-03", {"process": "storefront"}, "token", START)
    again = run.call(RESTART, "prod-web-03", {"process": "storefront"}, "token", START + 60)
    assert again is first
    assert len(run.done) == 1


@pytest.mark.parametrize(
    "verb, target, arguments, why",
    [
        ("host/halt@v1", "prod-web-03", {}, "unknown verb"),
        (RESTART, "prod-web-99", {}, "unknown host"),
        (RESTART, "prod-web-03", {"process": "nginx"}, "no process"),
        (RESTART, "prod-web-03", {"process": "storefront", "pid": "1"}, "has pid 4211"),
    ],
)
def test_an_impossible_call_changes_nothing_and_says_why(
    run: Run, verb: str, target: str, arguments: dict[str, str], why: str
) -> None:
    done = run.call(verb, target, arguments, "token", START)
    assert not done.applied
    assert why in done.detail
    assert newest(run, "prod-web-03", "memory.used_percent", START + 5 * MINUTE) > 85


def test_a_restarted_process_has_another_pid_and_start(run: Run) -> None:
    run.call(RESTART, "prod-web-03", {"process": "storefront"}, "token", START + 60)
    process = next(p for p in run.processes("prod-web-03", START + 120) or [] if p.name == "storefront")
    assert (process.pid, process.started_at.timestamp()) == (5211, START + 60)


def test_the_same_seed_gives_the_same_world_and_another_seed_other_noise(scenario: Scenario) -> None:
    other = scenario.model_copy(update={"seed": 8})
    worlds = [
        Run("r", s, Clock(START)).series(["prod-web-01"], START, START + 600) for s in (scenario, scenario, other)
    ]
    assert worlds[0] == worlds[1] != worlds[2]


def test_noise_is_centred_spread_by_one_and_unlike_its_neighbour() -> None:
    drawn = [noise(7, "a/b", index) for index in range(4000)]
    assert abs(sum(drawn)) / 4000 < 0.05
    assert 0.95 < sum(value * value for value in drawn) / 4000 < 1.05
    assert abs(sum(a * b for a, b in itertools.pairwise(drawn))) / 4000 < 0.05


def test_data_time_runs_as_fast_as_asked() -> None:
    assert Clock(1000.0, 30.0).data(1010.0) == 1300.0


def test_log_lines_of_the_leak_appear_only_with_the_leak(run: Run) -> None:
    def collections(start: float) -> int:
        lines = run.logs(["prod-web-03"], start, start + 600, 5000)
        return sum("full collection" in line.message for line in lines)

    assert collections(START - 3 * 3600) <= 2
    assert collections(START) > 50


def test_an_unknown_scenario_names_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"there are: .*high_cpu"):
        load_scenario(FIXTURES, "low_cpu")


def test_a_typing_mistake_in_a_scenario_names_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "scenario.yaml").write_text("name: x\ntitel: X\n")
    with pytest.raises(ConfigurationError, match=r"scenario.yaml:2:1: titel: unknown key; did you mean 'title'\?"):
        load_scenario(tmp_path, "x")


def test_a_case_of_the_scenario_has_the_alerts_and_the_deploy(scenario: Scenario) -> None:
    case = case_of(scenario)
    assert {alert["entity"] for alert in case["alerts"]} == {"prod-web-03", "storefront"}
    assert "deploy-4471" in {change["id"] for change in case["changes"]}
    assert all(metric["baseline"] and metric["window"] for metric in case["metrics"])
