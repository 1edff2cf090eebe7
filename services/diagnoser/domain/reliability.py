"""How often a cause was right when it was named, by people's verdicts, and what that leaves of a confidence. Pure.

A confidence may not exceed what its own past allows: the upper bound of Wilson's score interval for the share of right
ones among those that were judged (E. B. Wilson, "Probable inference, the law of succession, and statistical
inference", JASA 22, 1927). The interval holds for small numbers and for shares near 0 and 1, where the usual one fails.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from services.diagnoser.domain.finding_out import Conclusion
from shared.incident.numbers import percent

JUDGED_LEAST = 5
"""Incidents below which people's verdicts say too little to cap anything."""
Z = 1.959964
"""Standard deviations of a two-sided interval of 95 %."""
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of one cause in one environment: incidents judged, how many right, what was said on average."""

    judged: int
    right: int
    said: float

    @property
    def most(self) -> float | None:
        """The most that a confidence in this cause may be; None while too few incidents were judged."""
        return None if self.judged < JUDGED_LEAST else round(upper(self.right, self.judged), 3)


def upper(right: int, judged: int) -> float:
    """Return the upper bound of the share of right ones, from 0 to 1. Raises ValueError for no or impossible counts."""
    if not 0 <= right <= judged or judged == 0:
        raise ValueError(f"{right} right of {judged} judged is impossible")
    share, square = right / judged, Z * Z
    centre = share + square / (2 * judged)
    spread = Z * math.sqrt(share * (1 - share) / judged + square / (4 * judged * judged))
    return min(round((centre + spread) / (1 + square / judged), DIGITS), 1.0)


def weighed(conclusion: Conclusion, standings: Mapping[str, Standing]) -> Conclusion:
    """Return a conclusion whose confidences are no higher than people's verdicts allow, and which says so.

    The order of the causes stays and never rises along it, so what is capped in front caps those behind it.
    """
    result = conclusion.result
    causes, ceiling = [], 1.0
    for cause in result.causes:
        standing = standings.get(cause.cause)
        most = standing.most if standing else None
        ceiling = min(ceiling, cause.confidence, 1.0 if most is None else most)
        causes.append(cause.model_copy(update={"confidence": ceiling}))
    if not causes:
        return conclusion
    first = result.causes[0].cause
    notes = _told(first, standings[first], result.causes[0].confidence) if first in standings else ()
    changed = {
        "causes": tuple(causes),
        "confidence": min(result.confidence, causes[0].confidence),
        "confidence_from": (*result.confidence_from, *notes),
    }
    return conclusion.model_copy(update={"result": result.model_copy(update=changed)})


def _told(cause: str, standing: Standing, confidence: float) -> tuple[str, ...]:
    said = f"people judged {cause} in {_counted(standing.judged)}: right in {standing.right}"
    said += f", when {percent(standing.said)} was said on average"
    if standing.most is None:
        return (f"{said}; from {JUDGED_LEAST} on that is a cap",)
    word = "capped at" if standing.most < confidence else "below the cap of"
    return (f"{said}; {word} {percent(standing.most)}, the upper bound of that share (Wilson, 95 %)",)


def _counted(number: int) -> str:
    return f"{number} incident{'' if number == 1 else 's'}"
