"""However sure the curves are, thin evidence bounds what may be said, and every number tells how it came about."""

from __future__ import annotations

from typing import Any

import pytest

from services.diagnoser.domain.case import read_case
from services.diagnoser.engines.offline.calibrator import Calibrator, Curve, load_calibrator
from services.diagnoser.engines.offline.catalogue import load_catalogue
from services.diagnoser.engines.offline.certainty import Certainty, certainty
from services.diagnoser.engines.offline.engine import diagnose
from services.diagnoser.engines.offline.scene import scene_of
from services.diagnoser.engines.offline.weighing import hypotheses
from tests.support.cases import case, lines, ramp, series, step

CATALOGUE = load_catalogue()
SURE = Curve(intercept=30.0, weights={})
CERTAIN: Calibrator = load_calibrator()[0].model_copy(update={"known": SURE, "unknown": SURE})
POOL = lines("shop", "could not acquire connection from pool {n}", 60, level="error")


def thin(value: dict[str, Any], points: int) -> dict[str, Any]:
    return value | {"metrics": [one | {"baseline": one["baseline"][-points:]} for one in value["metrics"]]}


def judged(value: dict[str, Any], calibrator: Calibrator | None = CERTAIN) -> tuple[str, Certainty]:
    scene = scene_of(read_case(value))
    found = [one for one in hypotheses(scene, CATALOGUE) if not one.is_ruled_out]
    return found[0].id, certainty(scene, found, calibrator)


LEAK = case({"web-a/mem.used_pct": ramp(40.0, -90), "web-a/cpu_pct": ramp(30.0, -40)})


@pytest.mark.parametrize(
    "value, most, why",
    [
        pytest.param(case(logs=POOL), 0.30, "nothing but log text", id="log text alone proves nothing"),
        pytest.param(
            case({"shop/error_pct": step(20.0, -14)}), 0.60, "not in the catalogue", id="a cause that nobody knows"
        ),
        pytest.param(
            case({"shop/error_pct": step(20.0, -14)}, logs=POOL),
            0.70,
            "log text stands in for a measurement",
            id="log text in place of a measurement",
        ),
        pytest.param(case({"web-a/disk_used_pct": ramp(39.0, -90)}), 0.79, "one kind", id="one kind of measurement"),
        pytest.param(thin(LEAK, 20), 0.75, "thin", id="a thin history"),
        pytest.param(LEAK, 0.97, "nothing is certain", id="everything that can be wished for"),
    ],
)
def test_thin_evidence_bounds_confidence(value: dict[str, Any], most: float, why: str) -> None:
    _, found = judged(value)
    assert found.confidences[0] <= most
    assert why in found.reasons[-1] or found.confidences[0] < most


def test_what_has_no_past_is_compared_with_the_same_measurement_elsewhere() -> None:
    slow = series("shop-0", "latency_p95", 200.0, unit="ms", curve=step(900.0, -14))
    calm = [series(f"shop-{n}", "latency_p95", 200.0, unit="ms") for n in range(1, 9)]
    short = [one | {"baseline": one["baseline"][-2:], "window": one["window"][-3:]} for one in (slow, *calm)]
    (_, alone), (_, among) = (judged({"metrics": some}) for some in (short[:1], short))
    assert "nobody knows what is usual" in alone.reasons[-1]
    assert alone.confidences[0] == 0.44
    assert "nobody knows what is usual" not in among.reasons[-1]
    assert among.confidences[0] > 0.44


def test_errors_that_never_came_before_tell_of_a_place_and_not_of_a_cause() -> None:
    new, usual = (lines("shop", text, 60, level="error") for text in ("unexpected value {n}", "request {n} was slow"))
    (place, once), (_, counted) = (judged(case(logs=new) | {"logs_baseline": earlier}) for earlier in ([], usual))
    assert place == "unknown"
    assert (once.confidences[0], counted.confidences[0]) == (0.30, 0.60)
    cause, text = judged(case(logs=POOL) | {"logs_baseline": usual})
    assert (cause, text.confidences[0]) == ("saturation.connection_pool", 0.30)


def test_it_is_told_how_the_number_came_about() -> None:
    _, found = judged(LEAK, None)
    assert any("nats ahead of all that could be instead" in said for said in found.reasons)
    assert any(said.startswith("answers like this were right in ") for said in found.reasons)
    result = diagnose(read_case(LEAK), CATALOGUE).result
    assert result.confidence_from == found.reasons
    assert result.calibrator_sha256 == load_calibrator()[1]


def test_confidence_never_rises_along_the_ranks() -> None:
    _, found = judged(LEAK, None)
    assert list(found.confidences) == sorted(found.confidences, reverse=True)


def test_without_hypotheses_nothing_is_sure() -> None:
    assert certainty(scene_of(read_case({})), []) == Certainty()


def kept(value: dict[str, Any], windows: int) -> dict[str, Any]:
    """Let the series be known from earlier windows: the medians of what a thin history lacks."""
    whole = {one["id"]: one["baseline"] for one in LEAK["metrics"]}
    until = value["metrics"][0]["window_t0"] - 7200.0
    usual = {name: sorted(sum(v[n : n + 5]) / 5 for n in range(0, 150, 5)) for name, v in whole.items()}
    background = {name: {"windows": windows, "quantiles": found, "until": until} for name, found in usual.items()}
    return value | {"metrics": [one | {"background": background[one["id"]]} for one in value["metrics"]]}


def test_a_kept_background_lifts_the_cap_of_a_thin_history_and_is_named_with_its_depth() -> None:
    few = thin(LEAK, 20)

    (cause, before), (same, found) = judged(few), judged(kept(few, 96))

    assert (cause, before.confidences[0]) == ("resource_leak.memory", 0.75)
    assert (same, found.confidences[0]) == ("resource_leak.memory", 0.97)
    assert any("is known from 3 windows that were fetched" in said for said in before.reasons)
    assert any(
        "is known from 96 windows kept from earlier, the newest 2.0 h before what was looked at, "
        "because too little was fetched" in said
        for said in found.reasons
    )
    assert not any("history" in said for said in found.reasons)


def test_a_history_that_is_not_thin_needs_nothing_that_was_kept() -> None:
    assert judged(kept(LEAK, 96), None) == judged(LEAK, None)
