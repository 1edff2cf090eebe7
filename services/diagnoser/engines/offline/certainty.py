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
TEXT_MOST = 0.60
"""Log text says what it is, and harm that was measured goes with it."""
UNCOMPARED_MOST = 0.44
"""Nobody knows what is usual for what shows it."""
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
        most = cap(one)
        if one is found[0] and _may_be_overtaken(found):
            most = min(most, UNMEASURED_MOST)
        result.append(round(min(weight / total, most, *result[-1:]), 3))
    return result


def _may_be_overtaken(found: Sequence[Hypothesis]) -> bool:
    """Whether a rival would be ahead if what was not measured spoke for it."""
    return any(one.missing and one.is_pointed_at and one.potential > found[0].log_odds for one in found[1:])


def cap(one: Hypothesis) -> float:
    """Return the most that the kind of evidence behind a hypothesis allows."""
    seen, facts = one.observations, one.facts
    if not seen and not facts:
        return LOGS_MOST
    if one.cause is None:
        return UNKNOWN_MOST
    if one.missing:
        return UNMEASURED_MOST
    caps = [MOST]
    needed = {way for signal in one.cause.required for way in signal.ways}
    if any(m.is_text_alone and m.signal in needed for m in one.support):
        caps.append(TEXT_MOST)
    if len({o.channel for o in seen} | {f.kind for f in facts}) + any(m.shapes for m in one.support) < 2:  # noqa: PLR2004 -- two that agree
        caps.append(ONE_CHANNEL_MOST)
    main = [o for m in one.support[:1] for o in m.observations]
    if main and not facts and all(o.standing.windows < 2 for o in main):  # noqa: PLR2004 -- nothing to compare with
        caps.append(UNCOMPARED_MOST)
    if any(o.standing.windows < WINDOWS for o in main):
        caps.append(THIN_MOST)
    return min(caps)


def is_conclusive(found: Sequence[Hypothesis], confidence: float) -> bool:
    """Say whether the first may be called the diagnosis. What could still overtake it has to be looked at first."""
    if not found or found[0].cause is None or found[0].missing or confidence < LEAST:
        return False
    return not _may_be_overtaken(found)
