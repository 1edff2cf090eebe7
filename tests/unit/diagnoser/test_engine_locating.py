from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.catalogue import load_catalogue
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.locating import hinted, suspects
from services.diagnoser.engines.offline.scene import scene_of
from tests.support.cases import Curve, lines, series, step

CHAIN = ("front", "cart", "prices")
"""Each calls the next."""


def first(latencies: dict[str, Curve], *, views: tuple[str, ...] = (), **more: Any) -> str:  # noqa: ANN401 -- parts of a case
    kinds = {name: "remote_view" if name in views else "service" for name in CHAIN}
    one = {
        "alerts": [{"entity": "front", "metric": "latency_p95"}],
        "topology": {
            "entities": [{"id": name, "kind": kind} for name, kind in kinds.items()],
            "edges": [{"src": a, "dst": b, "kind": "calls"} for a, b in pairwise(CHAIN)],
        },
        "metrics": [
            series(name, "latency_p95", 100.0, unit="ms", curve=latencies.get(name, lambda _: 0.0)) for name in CHAIN
        ],
        **more,
    }
    return suspects(scene_of(read_case(one)))[0].entity


@pytest.mark.parametrize(
    "latencies, views, origin",
    [
        pytest.param({"front": 300, "cart": 290, "prices": 280}, (), "prices", id="the deepest that suffers as much"),
        pytest.param({"front": 300, "cart": 290, "prices": 30}, (), "cart", id="a little harm below explains nothing"),
        pytest.param({"front": 300}, (), "front", id="nothing below suffers"),
        pytest.param({"front": 300, "cart": 310, "prices": 280}, ("cart",), "prices", id="a view is looked through"),
        pytest.param({"front": 300, "cart": 310}, ("cart",), "front", id="a view itself is never the origin"),
    ],
)
def test_trouble_starts_at_the_deepest_part_that_explains_the_others(
    latencies: dict[str, float], views: tuple[str, ...], origin: str
) -> None:
    assert first({name: step(by, -20) for name, by in latencies.items()}, views=views) == origin


def test_who_is_asked_for_more_than_usual_is_not_excused_by_what_it_asks_in_turn() -> None:
    crowd = [series("front", "requests_per_s", 50.0, unit="1/s", curve=step(200.0, -20))]
    slow = {name: step(300.0, -20) for name in ("front", "cart", "prices")}
    metrics = [series(name, "latency_p95", 100.0, unit="ms", curve=curve) for name, curve in slow.items()]
    assert first({}, metrics=[*metrics, *crowd]) == "front"


def test_places_where_something_moved_come_after_those_where_something_is_beyond_doubt() -> None:
    metrics = [
        series("front", "latency_p95", 100.0, unit="ms", curve=step(300.0, -20)),
        series("cart", "latency_p95", 100.0, unit="ms", curve=step(9.0, -20)),
    ]
    scene = scene_of(read_case({"metrics": metrics}))
    known = [suspect.entity for suspect in suspects(scene)]
    found = hinted(scene, known)
    assert (known, [one.entity for one in found], [one.is_shown for one in found]) == (["front"], ["cart"], [False])
    assert found[0].score < suspects(scene)[0].score


def test_what_had_been_so_before_the_window_is_no_news() -> None:
    assert first({"front": step(200.0, -20), "prices": step(220.0, -90)}) == "front"


def test_errors_in_the_log_make_their_writer_a_suspect() -> None:
    assert first({}, logs=lines("cart", "cannot price basket {n}", 60, level="error")) == "cart"


def test_a_thing_that_no_longer_does_its_work_is_a_suspect_though_it_reports_no_error() -> None:
    before = [*lines("cart", "served {n}", 100), *lines("cart", "basket {n} priced", 60)]
    assert first({}, logs=lines("cart", "served {n}", 100), logs_baseline=before) == "cart"


def test_errors_of_a_caller_are_explained_by_those_of_what_it_calls() -> None:
    told = [
        *lines("front", "upstream failed {n}", 60, level="error"),
        *lines("cart", "no price {n}", 50, level="error"),
    ]
    calm = [*lines("front", "served {n}", 60), *lines("cart", "served {n}", 60)]
    assert first({}, logs=[*calm, *told], logs_baseline=calm) == "cart"


def test_a_series_without_a_past_is_judged_by_how_much_the_same_moves_elsewhere() -> None:
    values = {"front": 9000.0, "cart": 9500.0, "prices": 400_000.0} | {
        f"peer-{n}": 5000.0 + 900.0 * n for n in range(9)
    }
    gaps = [
        {"entity": name, "name": "net_gap_us", "unit": "us", "step_s": 60, "baseline": [3000.0], "window": [value]}
        for name, value in values.items()
    ]
    assert first({}, metrics=gaps, alerts=[]) == "prices"


def test_what_comes_and_goes_is_judged_by_how_far_out_it_was_at_its_worst() -> None:
    def waves(at: float) -> float:
        return 900.0 if -20 <= at < -8 else 60.0 if at >= -8 else 0.0

    topology = {"entities": [{"id": name, "kind": "service"} for name in CHAIN]}
    assert first({"cart": step(100.0, -20), "prices": waves}, topology=topology, alerts=[]) == "prices"


def test_without_a_map_trouble_starts_where_calls_take_longer_by_the_largest_factor() -> None:
    """Both are far beyond doubt; who waits for the other takes long anyway."""
    waiting = series("front", "latency_p95", 200.0, unit="ms", curve=step(900.0, -20))
    slow = series("prices", "latency_p95", 4.0, unit="ms", noise=0.3, curve=step(40.0, -20))
    assert first({}, metrics=[waiting, slow], topology={}, alerts=[]) == "prices"


def test_a_factor_is_the_mean_over_all_that_is_measured_of_the_calls() -> None:
    """Of one place the slowest calls alone take longer, by more than anything elsewhere."""
    rare = [
        series("front", "latency_p50", 4.0, unit="ms"),
        series("front", "latency_p90", 5.0, unit="ms", curve=step(900.0, -20)),
    ]
    all_of_them = [
        series("prices", name, level, unit="ms", curve=step(60.0 * level, -20))
        for name, level in {"latency_p50": 20.0, "latency_p90": 40.0}.items()
    ]
    assert first({}, metrics=[*rare, *all_of_them], topology={}, alerts=[]) == "prices"


def test_a_trace_of_what_others_use_all_the_time_takes_nothing_from_anybody() -> None:
    def throttled(entity: str, before: float, now: float) -> dict[str, Any]:
        span = {"name": "cpu_throttled", "step_s": 60, "baseline": [before] * 20, "window": [before] * 4 + [now] * 3}
        return {"entity": entity, **span}

    usual = [throttled(f"peer-{n}", 0.02, 0.02) for n in range(9)]
    seen = [throttled("cart", 0.0, 0.001), throttled("prices", 0.0, 0.4)]
    assert [one.entity for one in suspects(scene_of(read_case({"metrics": [*usual, *seen]})))] == ["prices"]


def test_lines_that_no_longer_come_for_some_requests_make_their_writer_a_suspect() -> None:
    before = [*lines("cart", "served {n}", 200), *lines("cart", "basket {n} priced", 100)]
    now = [*lines("cart", "served {n}", 200), *lines("cart", "basket {n} priced", 25)]
    assert first({}, logs=now, logs_baseline=before) == "cart"


def test_errors_that_never_came_before_outweigh_lines_of_others_that_no_longer_come() -> None:
    before = [*lines("front", "served {n}", 200), *lines("front", "basket {n} asked", 88), *lines("prices", "{n}", 60)]
    now = [*lines("front", "served {n}", 200), *lines("front", "basket {n} asked", 20), *lines("prices", "{n}", 60)]
    failed = lines("prices", "no price for {n}", 10, level="error")
    assert first({}, logs=[*now, *failed], logs_baseline=before, topology={}, alerts=[]) == "prices"


def test_what_takes_as_long_elsewhere_without_any_trouble_is_no_news() -> None:
    before = {f"peer-{n}": 5000.0 for n in range(9)} | {"slow": 85_000.0, "cart": 18_000.0}
    gaps = [
        {"entity": name, "name": "net_gap_us", "unit": "us", "step_s": 60, "baseline": [value], "window": [now]}
        for name, value in before.items()
        for now in [220_000.0 if name == "cart" else value + 900.0]
    ]
    assert suspects(scene_of(read_case({"metrics": gaps}))) == []


def test_where_no_cause_is_known_the_next_places_are_named_each_once_however_unlikely_they_are() -> None:
    rises = {"front": 90.0, "cart": 0.6, "prices": 0.5, "stock": 0.0}
    seen = [series(name, "error_pct", 5.0, unit="%", curve=step(by, -14)) for name, by in rises.items()]
    causes = diagnose(read_case({"metrics": seen}), load_catalogue()).result.causes
    assert [(one.cause, one.entity) for one in causes] == [("unknown", name) for name in CHAIN]
    assert causes[0].confidence > 0.5
    assert causes[2].confidence < 0.01
