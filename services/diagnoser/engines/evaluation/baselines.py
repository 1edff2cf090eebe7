"""What guessing without thought reaches on the same cases. An engine that does not beat all of it is worth nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

import numpy as np

from services.diagnoser.domain.case import Case, CaseSeries
from services.diagnoser.engines.evaluation.predictions import Expected, Guess, Prediction
from services.diagnoser.engines.evaluation.scoring import rows_of

FIRST = 10
_WORD = re.compile(r"[a-z0-9]+")


def baselines(
    cases: Mapping[str, Case], expected: Sequence[Expected], *, by_cause: bool
) -> dict[str, tuple[float, float]]:
    """Return AC@1 and AC@3 of each way of guessing."""
    named = Counter(one.cause for one in expected if one.cause)
    causes = [cause for cause, _ in named.most_common()]
    ways: dict[str, Callable[[Case], Iterable[Guess]]] = {}
    if any(one.root_entities for one in expected) and not by_cause:
        ways = {
            "where the alert is": _alerted,
            "where the last change was": _changed,
            "largest z-score": lambda case: _farthest(case, _z_score),
            "largest robust score": lambda case: _farthest(case, _robust),
        }
    else:
        ways = {
            "the commonest cause": lambda case: (Guess(entity=e, cause=c) for c in causes for e in _places(case)),
            "words of the alert": lambda case: _worded(case, causes),
        }
    found = {name: _reached(way, cases, expected, by_cause=by_cause) for name, way in ways.items()}
    if not by_cause:
        found = {"chance": _chance(cases, expected, len(causes)), **found}
    return found


def _reached(
    way: Callable[[Case], Iterable[Guess]], cases: Mapping[str, Case], expected: Sequence[Expected], *, by_cause: bool
) -> tuple[float, float]:
    said = {name: Prediction(ranked=tuple(way(case))[:FIRST]) for name, case in cases.items()}
    rows = rows_of(expected, said, by_cause=by_cause)
    return fmean(row.rank <= 1 for row in rows), fmean(row.rank <= 3 for row in rows)  # noqa: PLR2004 -- AC@3


def _chance(cases: Mapping[str, Case], expected: Sequence[Expected], causes: int) -> tuple[float, float]:
    shares = []
    for one in expected:
        places = len(_entities(cases.get(one.case_id, Case())))
        shares.append(len(one.root_entities) / max(places, 1) if one.root_entities else 1 / max(causes, 1))
    return fmean(min(share, 1.0) for share in shares), fmean(min(3 * share, 1.0) for share in shares)


def _entities(case: Case) -> list[str]:
    named = [*(e.id for e in case.topology.entities), *(s.entity for s in case.metrics), *(x.entity for x in case.logs)]
    return list(dict.fromkeys(name for name in named if name))


def _places(case: Case) -> list[str]:
    return [alert.place for alert in case.alerts[:1]] or [""]


def _alerted(case: Case) -> Iterable[Guess]:
    return (Guess(entity=place) for place in dict.fromkeys(alert.place for alert in case.alerts))


def _changed(case: Case) -> Iterable[Guess]:
    last = sorted(case.changes, key=lambda change: change.at or 0.0, reverse=True)
    return (Guess(entity=place) for place in dict.fromkeys(change.entity for change in last))


def _farthest(case: Case, measure: Callable[[CaseSeries], float]) -> Iterable[Guess]:
    best: dict[str, float] = {}
    for series in case.metrics:
        best[series.entity] = max(best.get(series.entity, 0.0), measure(series))
    return (Guess(entity=place) for place in sorted(best, key=lambda place: -best[place]))


def _parts(series: CaseSeries) -> tuple[np.ndarray, np.ndarray]:
    before, now = (np.array([v for v in values if v is not None], float) for values in (series.baseline, series.window))
    return before, now


def _z_score(series: CaseSeries) -> float:
    before, now = _parts(series)
    if len(before) < 2 or not len(now):  # noqa: PLR2004 -- one value has no spread
        return 0.0
    return float(np.max(np.abs(now - before.mean())) / (before.std() + 1e-9))


def _robust(series: CaseSeries) -> float:
    before, now = _parts(series)
    if len(before) < 2 or not len(now):  # noqa: PLR2004 -- as above
        return 0.0
    low, middle, high = np.percentile(before, (25, 50, 75))
    return float(np.max(np.abs(now - middle)) / (high - low + 1e-9))


def _worded(case: Case, causes: Sequence[str]) -> Iterable[Guess]:
    said = {word for alert in case.alerts for word in _WORD.findall(alert.title.lower())}
    order = sorted(causes, key=lambda cause: -len(said & set(_WORD.findall(cause.lower().replace("_", " ")))))
    return (Guess(entity=place, cause=cause) for cause in order for place in _places(case))
