"""Counters that only ever grow say nothing by their level: what counts is how fast they grow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from services.diagnoser.domain.case import CaseSeries
from services.diagnoser.engines.offline.channels import words_of

_COUNTED = frozenset({"total", "count", "sum", "counter", "bucket"})
POINTS = 10
"""Measurements below which growth may be chance."""
NEARLY_ALL = 0.95
"""The least share of steps in which a counter does not fall; it falls when its process restarts."""
MOSTLY = 0.3
"""The least share of steps in which a counter grows: what hardly ever moves may be a level."""


def rated(series: CaseSeries) -> CaseSeries:
    """Return a counter as its growth a step, and any other series as it is."""
    if not words_of(series.name) & _COUNTED:
        return series
    values = [*series.baseline, *series.window]
    known = [value for value in values if value is not None]
    steps = [b - a for a, b in pairwise(known)]
    kept, grown = sum(step >= 0 for step in steps), sum(step > 0 for step in steps)
    if len(known) < POINTS or kept < NEARLY_ALL * len(steps) or grown < MOSTLY * len(steps):
        return series
    rates = _rates(values)
    first = len(series.baseline)
    return series.model_copy(update={"baseline": rates[:first], "window": rates[first:]})


def _rates(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return growth a step; over a gap its mean, after a fall nothing."""
    found: list[float | None] = []
    last, since = None, 0
    for value in values:
        since += 1
        if value is None:
            found.append(None)
            continue
        found.append((value - last) / since if last is not None and value >= last else None)
        last, since = value, 0
    return tuple(found)
