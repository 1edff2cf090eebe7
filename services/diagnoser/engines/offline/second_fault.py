"""A second fault beside the first: something else that is the matter where the first cause cannot have reached.

Two things seldom break at once, so it is said only where a map shows that neither can have brought the other, and only
of a cause that is shown and would be as sure as a diagnosis has to be if the first one were not there.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.diagnoser.engines.offline.certainty import LEAST, certainty
from services.diagnoser.engines.offline.scene import Scene
from services.diagnoser.engines.offline.topology import Map
from services.diagnoser.engines.offline.weighing import Hypothesis


def second_fault(scene: Scene, first: Hypothesis, standing: Sequence[Hypothesis]) -> tuple[Hypothesis, float] | None:
    """Return a cause that is independent of the first one, and how sure it is; None where there is none.

    `standing` are the hypotheses that are not ruled out, the likeliest first. Without a map nobody knows what is
    independent.
    """
    if not (scene.map.callers or scene.map.tenants):
        return None
    reached = reach(scene.map, first.entity)
    rest = [one for one in standing if _is_apart(one, reached) and first.entity not in reach(scene.map, one.entity)]
    if not rest or rest[0].cause is None or not rest[0].is_shown or not rest[0].is_pointed_at:
        return None
    [sure, *_] = certainty(scene, rest).confidences
    return (rest[0], sure) if sure >= LEAST else None


def reach(chart: Map, entity: str) -> set[str]:
    """Return whom a fault may touch: who shares a machine with it, who needs one of these, and whom they need."""
    there = {other for near in chart.near(entity) for other in chart.near(near)}
    return there.union(*(chart.sufferers(one) | chart.feeds(one) for one in there))


def _is_apart(one: Hypothesis, reached: set[str]) -> bool:
    """Whether a cause is at a place that was not reached, and so is all that shows it."""
    seen = {o.entity for o in one.observations} | {f.entity for f in one.facts} | {one.entity}
    return not seen & reached
