"""The score of predictions against what was true: ranks, calibration, honesty, with an interval of chance."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from services.diagnoser.engines.evaluation.predictions import Expected, Guess, Prediction

NOT_RANKED = 99
RESAMPLES = 500
LOW, HIGH = 12, 487
"""Places in the sorted resamples between which 95 % of them lie."""
BINS, FEW_BINS, MANY = 10, 3, 100
"""Ten bins of confidence; three where there are fewer than a hundred cases."""
SURE = 0.8
HEALTHY = "no_active_fault"

Labels = Mapping[str, Sequence[str]]
"""Catalogue id, or `no_active_fault` -> what a set of cases calls it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case: the rank of the truth (1 is first, 99 not ranked) and what was said of it."""

    case_id: str
    rank: int
    prediction: Prediction
    expected: Expected

    @property
    def is_hit(self) -> bool:
        """Whether the first guess is right."""
        return self.rank == 1


@dataclass(frozen=True, slots=True)
class Score:
    """The score of some rows. Shares are 0 to 1; None where nothing is there to be measured."""

    cases: int
    ac_1: float
    ac_3: float
    avg_5: float
    mrr: float
    ac_1_low: float
    ac_1_high: float
    brier: float | None
    ece: float | None
    abstained: float
    sure: int
    """Cases answered with a confidence of at least 0.8, as a diagnosis."""
    sure_right: float | None
    healthy: int
    false_alarms: float | None
    """The share of healthy cases that were given a cause."""
    p50_ms: float
    p95_ms: float
    cost_usd: float


def rows_of(
    expected: Iterable[Expected], predictions: Mapping[str, Prediction], *, by_cause: bool, labels: Labels | None = None
) -> list[Row]:
    """Return a row for each expected case; what was not predicted counts as not ranked."""
    rows = []
    for truth in expected:
        said = predictions.get(truth.case_id, Prediction())
        guesses = said.ranked
        if labels and not guesses and said.status == HEALTHY:
            guesses = (Guess(cause=HEALTHY),)
        hits = (n for n, guess in enumerate(guesses, 1) if _matches(guess, truth, labels or {}, by_cause=by_cause))
        rows.append(Row(truth.case_id, next(hits, NOT_RANKED), said, truth))
    return rows


def _matches(guess: Guess, truth: Expected, labels: Labels, *, by_cause: bool) -> bool:
    if truth.root_entities and guess.entity not in truth.root_entities:
        return False
    if truth.root_entities and not by_cause:
        return True
    return truth.cause == guess.cause or truth.cause in labels.get(guess.cause, ())


def score(rows: Sequence[Row]) -> Score:
    """Return the score of at least one row."""
    hits = [float(row.is_hit) for row in rows]
    low, high = interval(hits)
    stated = [row.prediction.confidence for row in rows]
    confidence = [one for one in stated if one is not None]
    is_stated = len(confidence) == len(rows)
    sure = [row for row in rows if row.prediction.status == "diagnosed" and (row.prediction.confidence or 0.0) >= SURE]
    healthy = [row for row in rows if row.expected.healthy]
    latencies = sorted(row.prediction.latency_ms for row in rows)
    return Score(
        cases=len(rows),
        ac_1=fmean(hits),
        ac_3=fmean(row.rank <= 3 for row in rows),  # noqa: PLR2004 -- AC@3
        avg_5=fmean(fmean(row.rank <= k for row in rows) for k in range(1, 6)),
        mrr=fmean(1.0 / row.rank if row.rank < NOT_RANKED else 0.0 for row in rows),
        ac_1_low=low,
        ac_1_high=high,
        brier=fmean((c - y) ** 2 for c, y in zip(confidence, hits, strict=True)) if is_stated else None,
        ece=calibration_error(confidence, hits) if is_stated else None,
        abstained=fmean(row.prediction.has_abstained for row in rows),
        sure=len(sure),
        sure_right=fmean(row.is_hit for row in sure) if sure else None,
        healthy=len(healthy),
        false_alarms=fmean(row.prediction.status == "diagnosed" for row in healthy) if healthy else None,
        p50_ms=median(latencies),
        p95_ms=latencies[math.ceil(0.95 * len(latencies)) - 1],
        cost_usd=sum(row.prediction.cost_usd for row in rows),
    )


def scores(rows: Sequence[Row]) -> dict[str, Score]:
    """Return the score of all rows, then of each system and each split that the cases name."""
    found = {"all": score(rows)} if rows else {}
    for name in sorted({row.expected.system for row in rows if row.expected.system}):
        found[name] = score([row for row in rows if row.expected.system == name])
    for name in sorted({row.expected.split for row in rows if row.expected.split}):
        found[f"split {name}"] = score([row for row in rows if row.expected.split == name])
    return found


def interval(hits: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean by resampling; the same hits give the same interval."""
    chance = random.Random(0)
    size = len(hits)
    means = sorted(fmean(hits[chance.randrange(size)] for _ in hits) for _ in range(RESAMPLES))
    return means[LOW], means[HIGH]


def calibration_error(confidence: Sequence[float], hits: Sequence[float], count: int = BINS) -> float:
    """Return how far confidence is from the share of hits, over `count` bins, weighted by what is in them."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for c, y in zip(confidence, hits, strict=True):
        bins.setdefault(min(max(int(c * count), 0), count - 1), []).append((c, y))
    return sum(
        len(inside) / len(hits) * abs(fmean(c for c, _ in inside) - fmean(y for _, y in inside))
        for inside in bins.values()
    )


def as_table(found: Mapping[str, Score]) -> list[dict[str, Any]]:
    """Return scores as rows for people: three digits, nothing where nothing was measured."""
    return [{"of": name, **{key: _short(value) for key, value in asdict(one).items()}} for name, one in found.items()]


def _short(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
