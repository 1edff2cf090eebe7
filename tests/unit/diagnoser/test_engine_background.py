from __future__ import annotations

import random

import pytest

from services.diagnoser.domain.case import CaseBackground
from services.diagnoser.engines.offline.background import Standing, standing
from tests.support.cases import Curve, daily, flat, ramp, series, step


def judged(curve: Curve, *, noise: float = 0.02) -> Standing:
    made = series("web", "cpu", 100.0, noise=noise, curve=curve)
    found = standing(made["baseline"], made["window"], made["step_s"], lambda level: 0.05 * level)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "curve, shifted, is_ramp",
    [
        pytest.param(flat, False, False, id="noise alone is no shift"),
        pytest.param(daily(40.0), False, False, id="the rhythm of the day is no shift"),
        pytest.param(step(3.0, -10), False, False, id="less than what matters is no shift"),
        pytest.param(step(40.0, -20), True, False, id="a jump is a shift and no ramp"),
        pytest.param(ramp(60.0, -60), True, True, id="growing for an hour is a ramp"),
        pytest.param(lambda at: min(ramp(60.0, -60)(at), 40.0), True, True, id="a ramp may rest at its ceiling"),
        pytest.param(step(-40.0, -20), True, False, id="a fall is a shift too"),
    ],
)
def test_a_series_is_judged_against_its_own_background(curve: Curve, shifted: bool, is_ramp: bool) -> None:  # noqa: FBT001 -- columns of the table
    found = judged(curve)
    assert (found.is_shifted, found.is_ramp) == (shifted, is_ramp)


@pytest.mark.parametrize("curve", [step(40.0, -20), ramp(60.0, -60)])
def test_the_onset_is_found_within_a_few_minutes(curve: Curve) -> None:
    begun = 1200.0 if curve(-30.0) == 0.0 else 3600.0
    onset = judged(curve).onset
    assert onset is not None
    assert begun - 600 <= onset <= begun + 60


def test_a_jump_is_sudden_and_growth_is_not() -> None:
    assert judged(step(40.0, -20)).suddenness > 0.9
    assert judged(ramp(60.0, -60)).suddenness < 0.5


def test_a_past_too_short_for_windows_of_the_usual_length_is_cut_into_shorter_ones() -> None:
    chance = random.Random(1)
    quarter = [100.0 + chance.gauss(0.0, 2.0) for _ in range(900)]
    found = standing(quarter[:300], [value + 40.0 for value in quarter[300:600]], 1.0, lambda level: 0.05 * level)
    assert found is not None
    assert found.windows >= 7
    assert found.is_shifted


def test_with_no_past_at_all_the_end_is_held_against_the_beginning() -> None:
    found = standing([], [100.0] * 20 + [140.0] * 40, 5.0, lambda level: 0.05 * level)
    assert found is not None
    assert (found.before, found.after, found.is_shifted) == (100.0, 140.0, True)


def test_what_came_and_went_is_not_shifted_now() -> None:
    found = judged(lambda at: 50.0 if -25 <= at < -12 else 0.0)
    assert (found.is_shifted, found.was_shifted) == (False, True)


def test_a_series_without_recent_measurements_says_nothing_of_now() -> None:
    assert standing([1.0] * 50, [1.0, 1.0, None, None, None, None], 60.0, lambda _: 0.1) is None
    assert standing([1.0] * 50, [], 60.0, lambda _: 0.1) is None


def test_missing_measurements_change_neither_shift_nor_onset_much() -> None:
    made = series("web", "cpu", 100.0, curve=step(40.0, -20))
    chance = random.Random(4)
    holes = {key: [v if chance.random() > 0.1 else None for v in made[key]] for key in ("baseline", "window")}
    whole = standing(made["baseline"], made["window"], 60.0, lambda level: 0.05 * level)
    found = standing(holes["baseline"], holes["window"], 60.0, lambda level: 0.05 * level)
    assert whole is not None
    assert found is not None
    assert found.shift == pytest.approx(whole.shift, rel=0.2)
    assert found.onset == pytest.approx(whole.onset, abs=120)


def test_without_a_baseline_the_head_of_the_window_stands_in_and_the_history_counts_as_thin() -> None:
    made = series("web", "cpu", 100.0, curve=step(40.0, -12))
    found = standing([], made["window"], 60.0, lambda level: 0.05 * level)
    assert found is not None
    assert found.is_shifted
    assert found.windows <= 2


def test_a_step_of_a_second_is_judged_like_one_of_a_minute() -> None:
    chance = random.Random(7)
    values = [50.0 + chance.gauss(0, 5) for _ in range(1200)]
    raised = [value + 60.0 for value in values[900:]]
    found = standing(values[:600], [*values[600:900], *raised], 1.0, lambda level: 0.1 * level)
    assert found is not None
    assert found.is_shifted
    assert found.onset == pytest.approx(300.0, abs=180.0)


def test_what_is_mostly_zero_is_judged_by_how_much_of_it_there_is() -> None:
    chance = random.Random(7)
    rare = [float(chance.random() < 0.02) for _ in range(360)]
    more = [float(chance.random() < 0.4) for _ in range(30)]
    found = standing(rare, more, 60.0, lambda level: 0.1 * level)
    calm = standing(rare[:330], rare[330:], 60.0, lambda level: 0.1 * level)
    assert found is not None
    assert calm is not None
    assert found.is_shifted
    assert not calm.is_shifted


USUAL = CaseBackground(windows=100.0, quantiles=tuple(95.0 + n / 2 for n in range(21)))


@pytest.mark.parametrize(
    "points, kept, windows, is_kept",
    [
        pytest.param(0, USUAL, 100, True, id="nothing was fetched: what was kept counts"),
        pytest.param(20, USUAL, 100, True, id="a thin history: what was kept counts"),
        pytest.param(40, USUAL, 8, False, id="enough was fetched: it alone counts"),
        pytest.param(0, CaseBackground(windows=7.0, quantiles=(1.0, 2.0)), 0, False, id="thin itself: it is left out"),
        pytest.param(0, CaseBackground(windows=100.0, quantiles=(100.0,)), 0, False, id="one value is no spread"),
        pytest.param(0, CaseBackground(), 0, False, id="nothing was kept"),
    ],
)
def test_what_was_kept_stands_in_for_a_thin_history(
    points: int, kept: CaseBackground, windows: int, *, is_kept: bool
) -> None:
    made = series("web", "cpu", 100.0, curve=step(40.0, -60))
    baseline = made["baseline"][len(made["baseline"]) - points :]

    found = standing(baseline, made["window"], 60.0, lambda level: 0.05 * level, kept)

    assert found is not None
    assert (found.windows, found.is_kept) == (windows, is_kept)
    assert found.is_shifted is is_kept, "without it, what has been so for an hour is all that is known"
    if is_kept:
        assert found.before == pytest.approx(100.0)
        assert found.after == pytest.approx(140.0, abs=3.0)
        assert found.rarity == pytest.approx(1 / 101)


def test_what_is_usual_by_what_was_kept_is_no_shift() -> None:
    made = series("web", "cpu", 100.0)

    found = standing([], made["window"], 60.0, lambda level: 0.01 * level, USUAL)

    assert found is not None
    assert (found.is_shifted, found.is_kept) == (False, True)


def test_growth_that_began_before_the_data_is_growth_by_what_was_kept_as_well() -> None:
    made = series("web", "cpu", 100.0, noise=0.002, curve=ramp(60.0, -90))

    found = standing([], made["window"], 60.0, lambda level: 0.01 * level, USUAL)

    assert found is not None
    assert (found.is_shifted, found.is_ramp) == (True, True)


def test_what_few_windows_say_of_how_far_windows_lie_apart_is_believed_less() -> None:
    def seen(windows: int) -> float:
        found = standing([100.0, 100.0, 100.0, 104.0, 104.0, 104.0] * windows, [112.0] * 5, 100.0, lambda _: 0.1)
        assert found is not None
        return found.shift

    assert seen(1) < seen(4) < seen(16)
