"""What is kept of what was normal: bounded, never from under suspicion, and only where too little was fetched."""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.diagnoser.domain.sketches import (
    QUANTILES,
    SERIES_MAX,
    WINDOWS_MAX,
    Sketch,
    learnt,
    needed,
    with_backgrounds,
)

START = 1_800_000_000.0
HOUR, DAY = 3600.0, 86_400.0


def metric(at: float = START, *, points: int = 360, level: float = 10.0, **more: Any) -> dict[str, Any]:  # noqa: ANN401 -- fields
    """Return a series whose window of 30 min begins at `at`, after so many minutes of history."""
    chance = random.Random(at)
    baseline = [round(level + chance.uniform(-1, 1), 3) for _ in range(points)]
    given = {"id": "m", "entity": "web", "unit": "ms", "step_s": 60.0, "window_t0": at}
    return {**given, "baseline": baseline, "window": [1000.0] * 30, **more}


def case(*metrics: dict[str, Any]) -> dict[str, Any]:
    return {"metrics": list(metrics)}


def sketch(known: dict[str, dict[str, Sketch]]) -> Sketch:
    return known["web"]["m"]


def test_the_medians_of_five_minutes_of_history_are_learnt_and_the_window_is_not() -> None:
    found = sketch(learnt(case(metric()), {}))

    assert (found.windows, len(found.quantiles)) == (72, QUANTILES)
    assert (found.since, found.until, found.seen) == (START - 6 * HOUR, START, START + HOUR / 2)
    assert all(9.0 <= value <= 11.0 for value in found.quantiles)
    assert list(found.quantiles) == sorted(found.quantiles)


def test_the_past_of_an_incident_that_lasts_is_that_before_it_and_is_learnt_once() -> None:
    first = learnt(case(metric()), {})
    half_a_day_later = metric(START + 11 * HOUR, baseline=metric()["baseline"], baseline_until=START)

    found = sketch(learnt(case(half_a_day_later), first))

    assert found == sketch(first).model_copy(update={"seen": START + 11.5 * HOUR})


def test_a_few_windows_are_kept_as_they_are() -> None:
    baseline = [1.0, 2.0, 3.0, 4.0, 5.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    assert sketch(learnt(case(metric(baseline=baseline)), {})).quantiles == (3.0, 13.0)


@pytest.mark.parametrize(
    "later, windows",
    [
        pytest.param(0.0, None, id="the same history again teaches nothing"),
        pytest.param(240.0, None, id="less than one window later there is nothing to learn"),
        pytest.param(HOUR / 2, 72, id="what was under suspicion does not become normal"),
        pytest.param(HOUR, 78, id="what lies between is learnt"),
        pytest.param(DAY, 144, id="a day later the whole history is new"),
    ],
)
def test_each_span_is_learnt_once(later: float, windows: int | None) -> None:
    known = learnt(case(metric()), {})

    again = learnt(case(metric(START + later)), known)

    assert (sketch(again).windows if again else None) == windows


def test_holes_are_not_learnt() -> None:
    holes = [None] * 350 + [10.0] * 10
    assert sketch(learnt(case(metric(baseline=holes)), {})).windows == 2


def test_of_another_unit_nothing_is_taken_over() -> None:
    known = learnt(case(metric()), {})
    assert sketch(learnt(case(metric(START + DAY, unit="s", points=10)), known)).windows == 2


def test_what_is_normal_may_change_and_the_past_is_forgotten() -> None:
    known: dict[str, dict[str, Sketch]] = {}
    for day in range(60):
        known = learnt(case(metric(START + day * DAY, level=10.0 if day < 10 else 50.0, points=1200)), known)

    found = sketch(known)

    assert found.windows == WINDOWS_MAX
    assert found.quantiles[QUANTILES // 10] > 40.0
    assert len(found.quantiles) == QUANTILES


def test_quantiles_of_many_looks_are_near_those_of_all_that_was_seen() -> None:
    known: dict[str, dict[str, Sketch]] = {}
    for day in range(5):
        known = learnt(case(metric(START + day * DAY, level=10.0 + day)), known)

    found = sketch(known).quantiles

    assert found[QUANTILES // 2] == pytest.approx(12.0, abs=0.3)
    assert found[3] == pytest.approx(10.0, abs=0.6)
    assert found[-4] == pytest.approx(14.0, abs=0.6)


def test_the_series_of_an_entity_are_bounded_to_those_seen_last() -> None:
    many = [metric(id=f"old{number}", points=10) for number in range(SERIES_MAX)]
    known = learnt(case(*many), {})

    found = learnt(case(*(metric(START + DAY, id=f"new{number}", points=10) for number in range(50))), known)["web"]

    assert len(found) == SERIES_MAX
    assert sum(name.startswith("new") for name in found) == 50


def remembered(**more: Any) -> dict[str, dict[str, Sketch]]:  # noqa: ANN401 -- fields of a sketch
    given: dict[str, Any] = {"unit": "ms", "windows": 96, "quantiles": (9.0, 10.0, 11.0), "until": START - HOUR}
    return {"web": {"m": Sketch(**given | more)}}


@pytest.mark.parametrize(
    "points, known, depth",
    [
        pytest.param(0, remembered(), 96, id="no history: what is known stands in"),
        pytest.param(39, remembered(), 96, id="a thin history: what is known stands in"),
        pytest.param(40, remembered(), None, id="enough history: nothing is needed"),
        pytest.param(20, remembered(windows=4), None, id="what is known is no deeper than what was fetched"),
        pytest.param(0, remembered(unit="s"), None, id="it was measured in another unit"),
        pytest.param(0, remembered(until=START - 36 * DAY), None, id="it is too old"),
        pytest.param(0, {}, None, id="nothing is known"),
    ],
)
def test_a_thin_history_is_given_what_is_known_from_before(
    points: int, known: dict[str, dict[str, Sketch]], depth: int | None
) -> None:
    [told] = with_backgrounds(case(metric(points=points)), known)["metrics"]

    assert told.get("background", {}).get("windows") == depth
    assert told["baseline"] == metric(points=points)["baseline"], "nothing is made up"


def test_a_history_full_of_holes_is_thin() -> None:
    [told] = with_backgrounds(case(metric(baseline=[None] * 340 + [10.0] * 20)), remembered())["metrics"]
    assert told["background"]["windows"] == 96


@pytest.mark.parametrize(
    "points, seen, names",
    [
        pytest.param(360, {}, {"web"}, id="nothing is known: all of it is new"),
        pytest.param(360, {"web": START + HOUR / 2}, set(), id="it was looked at up to now"),
        pytest.param(360, {"web": START + HOUR / 2 - 240}, set(), id="less than one window is new"),
        pytest.param(360, {"web": START}, {"web"}, id="half an hour is new"),
        pytest.param(20, {"web": START + HOUR / 2}, {"web"}, id="a thin history needs what is known"),
    ],
)
def test_sketches_are_read_where_they_matter(points: int, seen: dict[str, float], names: set[str]) -> None:
    assert needed(case(metric(points=points)), seen) == names


def test_a_case_without_metrics_stays_as_it_is() -> None:
    assert with_backgrounds({"logs": []}, remembered()) == {"logs": []}
    assert learnt({"logs": []}, {}) == {}
