"""How sure a conclusion may be. The number comes from the evidence alone and is capped where that is thin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.diagnoser.domain.case import CaseBackground
from services.diagnoser.engines.offline.background import WINDOWS
from services.diagnoser.engines.offline.calibrator import (
    Calibrator,
    Traits,
    compared,
    is_written,
    kinds,
    load_calibrator,
    traits,
)
from services.diagnoser.engines.offline.scene import Observation, Scene
from services.diagnoser.engines.offline.weighing import Hypothesis
from shared.incident.numbers import percent

MOST = 0.97
SHARE_MOST = 0.99
"""No number of cases shows more."""
UNKNOWN_MOST = 0.60
ONE_CHANNEL_MOST = 0.79
"""One measurement may mislead; what shows it need not be sure."""
THIN_MOST = 0.75
UNMEASURED_MOST = 0.45
OVERTAKEN_MOST = 0.79
"""What was not measured could put another cause in front."""
UNUSED_MOST = 0.75
"""Something else is the matter at the same place, which might as well be the cause."""
TEXT_MOST = 0.70
"""Log text says what it is, and harm that was measured goes with it."""
UNCOMPARED_MOST = 0.44
"""Nobody knows what is usual for what shows it."""
LOGS_MOST = 0.30
"""Log text is written by anybody; alone it proves nothing."""
MOVED_MOST = 0.30
"""It moved, as things do."""
HOUR = 3600.0
LEAST = 0.45
"""Confidence below which nothing is called diagnosed."""


@dataclass(frozen=True, slots=True)
class Certainty:
    """How sure each hypothesis is, the first with how it came about."""

    confidences: tuple[float, ...] = ()
    """In the order of the hypotheses, never rising along it."""
    reasons: tuple[str, ...] = ()


def certainty(scene: Scene, found: Sequence[Hypothesis], calibrator: Calibrator | None = None) -> Certainty:
    """Return how sure the hypotheses are that are not ruled out.

    The first is as sure as such ones were right before, and no surer than its evidence allows; the others share what
    is left by their weight. The same cause at another place takes nothing from it: both may be so.
    """
    if not found:
        return Certainty()
    curves = calibrator or load_calibrator()[0]
    first = found[0]
    seen = traits_of(scene, found)
    share = curves.share(first, seen)
    limit, why = min([*caps(scene, first), *_doubts(seen)])
    top = min(share, limit)
    weights = [math.exp(min(one.log_odds, 50.0)) for one in found]
    rest = 1.0 + sum(w for one, w in zip(found, weights, strict=True) if not _is_same(one, first))
    result = [round(top, 3)]
    for one, weight in zip(found[1:], weights[1:], strict=True):
        part = top * weight / weights[0] if _is_same(one, first) else (1.0 - top) * weight / rest
        most = min(caps(scene, one))[0] if part > LOGS_MOST else part  # No cap is lower.
        result.append(round(min(part, most, result[-1]), 3))
    capped = (f"capped at {percent(limit)}: {why}",) if share > limit else ()
    told = [*_told(first, seen), *_known_from(first)]
    right = f"answers like this were right in {percent(min(share, SHARE_MOST))} of the cases that the fit saw"
    return Certainty(tuple(result), (*told, right, *capped))


def confidences(scene: Scene, found: Sequence[Hypothesis]) -> list[float]:
    """Return how sure the hypotheses are that are not ruled out, in their order and never rising along it."""
    return list(certainty(scene, found).confidences)


def _told(one: Hypothesis, seen: Traits) -> list[str]:
    ahead = f"{abs(seen.lead):.1f} nats {'ahead of' if seen.lead >= 0 else 'behind'} all that could be instead"
    told = [f"it weighs {one.log_odds:.1f} nats, {ahead}", f"kinds of evidence that agree: {seen.kinds:.0f}"]
    told += [f"signals against it: {seen.against:.0f}"] if seen.against else []
    told += [f"other things that are the matter there: {seen.unused:.0f}"] if seen.unused else []
    return told


def _known_from(one: Hypothesis) -> list[str]:
    """Say where it is known from what is usual for what shows it, of the series of which least is known."""
    main = [o for m in one.support[:1] for o in m.observations]
    if not main:
        return []
    least = min(main, key=lambda o: (o.standing.windows, o.number))
    kept = least.series.background if least.standing.is_kept else None
    source = f"kept from earlier{_ago(least, kept)}, because too little was fetched" if kept else "that were fetched"
    windows = "window" if least.standing.windows == 1 else "windows"
    told = f"what is usual for {least.series.name} of {least.entity} is known from {least.standing.windows} {windows}"
    return [f"{told} {source}"]


def _ago(one: Observation, kept: CaseBackground) -> str:
    start = one.series.window_t0
    if start is None or kept.until is None:
        return ""
    return f", the newest {max(start - kept.until, 0.0) / HOUR:.1f} h before what was looked at"


def _doubts(seen: Traits) -> list[tuple[float, str]]:
    found = [(OVERTAKEN_MOST, "what was not measured could put another cause in front")] if seen.overtaken else []
    return [*found, *([(UNUSED_MOST, "something else there might as well be the cause")] if seen.unused else [])]


def traits_of(scene: Scene, found: Sequence[Hypothesis]) -> Traits:
    """Return what the confidence of the first of at least one hypothesis depends on."""
    return traits(scene, found, overtaken=_may_be_overtaken(found))


def _is_same(one: Hypothesis, first: Hypothesis) -> bool:
    return one.cause is not None and one.id == first.id


def _may_be_overtaken(found: Sequence[Hypothesis]) -> bool:
    """Whether a rival would be ahead if what was not measured spoke for it."""
    return any(one.missing and one.is_pointed_at and one.potential > found[0].log_odds for one in found[1:])


def caps(scene: Scene, one: Hypothesis) -> list[tuple[float, str]]:
    """Return what bounds the confidence in a hypothesis, each with its reason; at least one."""
    seen, facts = one.observations, one.facts
    calm = {o for m in one.support if m.signal.direction == "calm" for o in m.observations}
    is_counted = one.cause is None and bool(scene.case.logs_baseline)
    if calm.issuperset(seen) and not facts and not is_counted:
        return [(LOGS_MOST, "there is nothing but log text")]
    if one.cause is None and not (one.suspect and one.suspect.is_shown):
        return [(MOVED_MOST, "nothing there is outside its background")]
    main = [o for m in one.support[:1] for o in m.observations] or (seen if one.cause is None else [])
    depths = [compared(scene, o) for o in main]
    is_alone = not facts and not (one.cause is None and is_written(one))
    is_compared = not depths or not is_alone or max(depths) >= 2  # noqa: PLR2004 -- nothing to compare with
    found = [] if is_compared else [(UNCOMPARED_MOST, "nobody knows what is usual for what shows it")]
    if one.cause is None:
        return [*found, (UNKNOWN_MOST, "its cause is not in the catalogue")]
    if one.missing:
        return [(UNMEASURED_MOST, "something it cannot be without was not measured")]
    found.append((MOST, "nothing is certain"))
    if one.is_text_alone:
        found.append((TEXT_MOST, "log text stands in for a measurement"))
    if kinds(one) < 2:  # noqa: PLR2004 -- two that agree
        found.append((ONE_CHANNEL_MOST, "one kind of measurement shows it"))
    if any(o.standing.windows < WINDOWS for o in main):
        found.append((THIN_MOST, "the history of what shows it is thin"))
    return found


def is_conclusive(found: Sequence[Hypothesis], confidence: float) -> bool:
    """Say whether the first may be called the diagnosis. What could still overtake it has to be looked at first."""
    if not found or found[0].cause is None or found[0].missing or confidence < LEAST:
        return False
    return not _may_be_overtaken(found)
