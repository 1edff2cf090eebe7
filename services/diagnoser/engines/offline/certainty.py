"""How sure a conclusion may be. The number comes from the evidence alone and is capped where that is thin."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.diagnoser.engines.offline.weighing import Hypothesis

MOST = 0.95
UNKNOWN_MOST = 0.60
ONE_CHANNEL_MOST = 0.70
THIN_MOST = 0.75
UNMEASURED_MOST = 0.45
LOGS_MOST = 0.30
"""Log text is written by anybody; alone it proves nothing."""
WINDOWS = 8
"""Background windows below which a history is thin."""
LEAST = 0.45
"""Confidence below which nothing is called diagnosed."""


def confidences(found: Sequence[Hypothesis]) -> list[float]:
    """Return the confidence of each hypothesis that is not ruled out, in their order and never rising along it.

    The same cause at another place is no rival: both may be so.
    """
    weights = [math.exp(min(one.log_odds, 50.0)) for one in found]
    result: list[float] = []
    for one, weight in zip(found, weights, strict=True):
        rivals = (w for other, w in zip(found, weights, strict=True) if one.cause is None or other.id != one.id)
        total = 1.0 + sum(rivals) + (weight if one.cause else 0.0)
        most = UNMEASURED_MOST if one is found[0] and _may_be_overtaken(found) else cap(one)
        result.append(round(min(weight / total, most, *result[-1:]), 3))
    return result


def _may_be_overtaken(found: Sequence[Hypothesis]) -> bool:
    """Whether a rival would be ahead if what was not measured spoke for it."""
    return any(one.missing and one.potential > found[0].log_odds for one in found[1:])


def cap(one: Hypothesis) -> float:
    """Return the most that the kind of evidence behind a hypothesis allows."""
    if one.cause is None:
        return UNKNOWN_MOST if one.observations else LOGS_MOST
    if one.missing:
        return UNMEASURED_MOST
    seen = one.observations
    if not seen:
        return LOGS_MOST
    caps = [MOST]
    if len({o.channel for o in seen}) + any(m.shapes for m in one.support) < 2:  # noqa: PLR2004 -- two that agree
        caps.append(ONE_CHANNEL_MOST)
    if min(o.standing.windows for m in one.support[:1] for o in m.observations) < WINDOWS:
        caps.append(THIN_MOST)
    return min(caps)


def is_conclusive(found: Sequence[Hypothesis], confidence: float) -> bool:
    """Say whether the first may be called the diagnosis. What could still overtake it has to be looked at first."""
    if not found or found[0].cause is None or found[0].missing or confidence < LEAST:
        return False
    return not _may_be_overtaken(found)
