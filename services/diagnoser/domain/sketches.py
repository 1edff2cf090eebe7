"""What was normal for a series, kept between investigations, for when its history cannot be fetched. Pure.

A sketch holds quantiles of the medians of earlier windows, each as long as the span that counts as "now": how far those
lie apart is what is normal. The window under suspicion is never learnt, neither now nor when it has become history.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from statistics import median
from typing import Any

from services.diagnoser.domain.gathering import CaseJSON
from shared.incident.model import Model

SPAN = 300.0
"""Seconds of one window; the engine judges by windows of the same length."""
POINTS_LEAST = 3
"""Measurements that a window holds at least, however far apart they are."""
QUANTILES = 33
WINDOWS_MAX = 2016
"""The past counts as so many windows at most, a week of them: what is normal may change."""
THIN = 8
"""Windows below which a fetched history is thin."""
KEPT_FOR = 35 * 86_400.0
"""Seconds of data time after which what was normal says nothing of now."""
SERIES_MAX = 200
"""Series of one entity, those seen last."""
DIGITS = 6


class Sketch(Model):
    """What was normal for one series. Values are in its unit, times in epoch seconds of data time."""

    unit: str = ""
    windows: int = 0
    quantiles: tuple[float, ...] = ()
    """In order, each for the same share of all windows; all medians while they are few."""
    since: float = 0.0
    until: float = 0.0
    """The span that was learnt."""
    seen: float = 0.0
    """Up to where it was looked at, what was under suspicion included."""


Sketches = Mapping[str, Mapping[str, Sketch]]
"""Entity -> id of a series -> what was normal for it."""


def needed(case: CaseJSON, seen: Mapping[str, float]) -> frozenset[str]:
    """Return the entities whose sketches matter: history is thin, or there is some that is new since they were seen."""
    return frozenset(
        metric["entity"]
        for metric in case.get("metrics", ())
        if _depth(metric) < THIN or _end(metric) >= seen.get(metric["entity"], 0.0) + SPAN
    )


def learnt(case: CaseJSON, known: Sketches) -> dict[str, dict[str, Sketch]]:
    """Return the sketches of each entity of which there is something new to keep."""
    found: dict[str, dict[str, Sketch]] = {}
    for metric in case.get("metrics", ()):
        before = known.get(metric["entity"], {}).get(metric["id"])
        now = _learn(metric, before if before and before.unit == metric["unit"] else Sketch(unit=metric["unit"]))
        if now is not None:
            found.setdefault(metric["entity"], {})[metric["id"]] = now
    return {entity: _newest({**known.get(entity, {}), **sketches}) for entity, sketches in found.items()}


def with_backgrounds(case: CaseJSON, known: Sketches) -> CaseJSON:
    """Return a case in which each series of thin history carries the `background` that is known from before, if any."""
    metrics = case.get("metrics", ())
    told = [_with_background(metric, known.get(metric["entity"], {}).get(metric["id"])) for metric in metrics]
    return {**case, "metrics": told} if metrics else case


def _with_background(metric: Mapping[str, Any], sketch: Sketch | None) -> Mapping[str, Any]:
    own = _depth(metric)
    if sketch is None or own >= THIN or sketch.windows <= own or sketch.unit != metric["unit"]:
        return metric
    if metric["window_t0"] - sketch.until > KEPT_FOR:
        return metric
    return {**metric, "background": sketch.model_dump(mode="json", include={"windows", "quantiles", "since", "until"})}


def _learn(metric: Mapping[str, Any], known: Sketch) -> Sketch | None:
    """Return a sketch that knows also the part of a baseline that is new, or None when too little time has passed."""
    step, baseline = metric["step_s"], metric["baseline"]
    # The past of a long incident is that before it, and does not end where the window starts.
    end = min(metric.get("baseline_until", math.inf), metric["window_t0"])
    seen = _end(metric)
    if seen < known.seen + SPAN or not metric["window"]:
        return None
    fresh = int(min(max((end - known.seen) // step, 0), len(baseline)))
    medians = list(_medians(baseline[len(baseline) - fresh :], _length(step)))
    if not medians:
        return known.model_copy(update={"seen": seen})
    started = end - len(medians) * _length(step) * step
    return Sketch(
        unit=known.unit,
        windows=min(known.windows + len(medians), WINDOWS_MAX),
        quantiles=_merged(known, medians),
        since=known.since or started,
        until=end,
        seen=seen,
    )


def _depth(metric: Mapping[str, Any]) -> int:
    """Return how many windows of a series were fetched."""
    return sum(value is not None for value in metric["baseline"]) // _length(metric["step_s"])


def _end(metric: Mapping[str, Any]) -> float:
    return float(metric["window_t0"] + len(metric["window"]) * metric["step_s"])


def _length(step: float) -> int:
    return max(round(SPAN / step), POINTS_LEAST)


def _medians(values: Sequence[float | None], length: int) -> Iterator[float]:
    """Return the medians of the last whole windows; a window that is mostly missing has none."""
    for start in range(len(values) % length, len(values), length):
        known = [value for value in values[start : start + length] if value is not None]
        if 2 * len(known) >= length:
            yield float(f"{median(known):.{DIGITS}g}")


def _merged(known: Sketch, medians: Sequence[float]) -> tuple[float, ...]:
    """Return the quantiles of what is known and what is new, each window with the same weight."""
    old = max(min(known.windows, WINDOWS_MAX - len(medians)), 0)
    weighted = [(value, old / len(known.quantiles)) for value in known.quantiles] + [(value, 1.0) for value in medians]
    weighted.sort()
    if len(weighted) <= QUANTILES:
        return tuple(value for value, _ in weighted)
    values, weights = zip(*weighted, strict=True)
    middles = [end - weight / 2 for weight, end in zip(weights, accumulate(weights), strict=True)]
    part = sum(weights) / QUANTILES
    return tuple(_at((number + 0.5) * part, middles, values) for number in range(QUANTILES))


def _at(weight: float, middles: Sequence[float], values: Sequence[float]) -> float:
    """Return the value that has so much weight below it, between two neighbours on the line through both."""
    above = min(max(bisect_left(middles, weight), 1), len(values) - 1)
    gap = middles[above] - middles[above - 1]
    part = min(max((weight - middles[above - 1]) / gap, 0.0), 1.0)
    return float(f"{values[above - 1] + part * (values[above] - values[above - 1]):.{DIGITS}g}")


def _newest(sketches: Mapping[str, Sketch]) -> dict[str, Sketch]:
    order = sorted(sketches, key=lambda name: (-sketches[name].seen, name))
    latest = max(sketch.seen for sketch in sketches.values())
    return {name: sketches[name] for name in order[:SERIES_MAX] if latest - sketches[name].seen <= KEPT_FOR}
