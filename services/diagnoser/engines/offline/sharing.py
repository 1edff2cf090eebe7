"""What several that suffer share though they do not call each other: where they run, what they all need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.diagnoser.engines.offline.channels import ACTIVE
from services.diagnoser.engines.offline.scene import Observation, Scene

VICTIMS = 2
RECALL = 0.8
"""The least share of those who need a thing that suffer, if it is what they suffer from."""
PRECISION = 0.6
"""The least share of all who suffer that need it, or call somebody who does."""


def shared(scene: Scene, suffering: Mapping[str, Sequence[Observation]]) -> dict[str, tuple[Observation, ...]]:
    """Return what all its dependents suffer from, as far as nobody measured that it is well itself."""
    needed: dict[str, list[str]] = {}
    for ways in (scene.map.tenants, scene.map.callers):
        for place, dependents in ways.items():
            needed.setdefault(place, []).extend(d for d in dependents if not scene.map.is_view(d))
    found = {}
    for place, dependents in needed.items():
        victims = [one for one in dict.fromkeys(dependents) if suffering.get(one)]
        if len(victims) < VICTIMS or len(victims) < RECALL * len(set(dependents)) or scene.at([place], ACTIVE):
            continue
        reached = scene.map.sufferers(place)
        explained = [one for one in suffering if one in reached]
        calling = any(other in scene.map.callees.get(one, ()) for one in victims for other in victims)
        if len(explained) >= PRECISION * len(suffering) and not calling:
            found[place] = tuple(suffering[one][0] for one in victims)
    return found
