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
            needed.setdefault(place, []).extend(d for d in dependents if not _stands_for_others(scene, d))
    for zone, tenants in _zones(scene).items():
        needed.setdefault(zone, []).extend(tenants)
    found = {}
    for place, dependents in needed.items():
        victims = [one for one in dict.fromkeys(dependents) if suffering.get(one)]
        if len(victims) < VICTIMS or len(victims) < RECALL * len(set(dependents)) or scene.at([place], ACTIVE):
            continue
        reached = {place, *dependents}.union(*(scene.map.sufferers(one) for one in dependents))
        explained = [one for one in suffering if one in reached]
        calling = any(other in scene.map.callees.get(one, ()) for one in victims for other in victims)
        if len(explained) >= PRECISION * len(suffering) and not calling:
            found[place] = tuple(suffering[one][0] for one in victims)
    return found


def _stands_for_others(scene: Scene, entity: str) -> bool:
    return scene.map.is_view(entity) or scene.map.is_machine(entity)


def _zones(scene: Scene) -> dict[str, list[str]]:
    """Return what runs, or runs on something, in each zone."""
    own = {entity.id: entity.zone for entity in scene.case.topology.entities if entity.zone}
    found: dict[str, list[str]] = {}
    for entity in scene.map.kinds:
        machines = scene.map.machines.get(entity, ())
        zones = {own.get(entity, ""), *(own.get(m, "") for m in machines)}
        zones.update(z for m in machines for z in scene.map.machines.get(m, ()))
        if len(zones - {""}) == 1 and not scene.map.is_machine(entity):
            found.setdefault(next(iter(zones - {""})), []).append(entity)
    return found
