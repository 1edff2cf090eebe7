"""Where the trouble starts, whatever its cause: the deepest part whose harm nothing below it explains."""

from __future__ import annotations

from dataclasses import dataclass

from services.diagnoser.domain.case import CaseSeries
from services.diagnoser.engines.offline.channels import ACTIVE, meaning
from services.diagnoser.engines.offline.facts import Fact
from services.diagnoser.engines.offline.logs import Shape
from services.diagnoser.engines.offline.scene import Observation, Scene

EXPLAINED = 0.5
"""A part below explains the one above when its own change is at least this share of the other's."""
HARM_MAX = 30.0
"""Widths; farther out is not more certain."""
NEWS = 0.5
FACT = 0.5
LOG_SHARE = 0.5
"""What a surge of errors counts beside a shift of a metric."""
_FELT = frozenset({"latency", "errors"})


@dataclass(frozen=True, slots=True)
class Suspect:
    """An entity that may be where the trouble starts, and what shows it. A larger `score` is more likely."""

    entity: str
    score: float
    observations: tuple[Observation, ...]
    shapes: tuple[Shape, ...] = ()
    facts: tuple[Fact, ...] = ()


def suspects(scene: Scene) -> list[Suspect]:
    """Return the entities with harm of their own, the likeliest origin first."""
    seen: dict[str, list[Observation]] = {shape.entity: [] for shape in scene.surging if shape.entity}
    for one in scene.harmful():
        if not scene.map.is_view(one.entity) and one.channel in ACTIVE:
            seen.setdefault(one.entity, []).append(one)
    for entity, views in scene.told_of.items():
        seen.setdefault(entity, []).extend(one for one in views if one.is_harmful and one.channel in ACTIVE)
    for fact in scene.troubles():
        seen.setdefault(fact.entity, [])
    seen.pop("", None)
    seen = {entity: ones for entity, ones in seen.items() if ones or _has_more(scene, entity)}
    alerted = scene.alerted()
    told = {meaning(CaseSeries(name=a.metric)).channel.name for a in scene.case.alerts if a.metric and not a.is_over}
    felt = {entity for start in alerted for entity in (start, *scene.map.feeds(start))}
    found = []
    for entity, observations in seen.items():
        shapes = tuple(shape for shape in scene.surging if shape.entity == entity)
        facts = tuple(fact for fact in scene.troubles() if fact.entity == entity)
        score = FACT * bool(facts)
        score += max((min(abs(o.harm), HARM_MAX) for o in observations), default=0.0) / HARM_MAX
        score += LOG_SHARE * max((min(s.surge, HARM_MAX) for s in shapes), default=0.0) / HARM_MAX
        score += 1.0 if not _is_explained(scene, entity, observations) else 0.0
        score += 0.5 if entity in felt or not felt else 0.0
        score += 0.5 if not told or any(o.channel in told for o in observations) else 0.0
        score -= 1.0 if observations and all(_is_old(o) for o in observations) else 0.0
        found.append(Suspect(entity, score, tuple(observations), shapes, facts))
    ranks = {suspect.entity: rank for rank, suspect in enumerate(found)}
    return sorted(found, key=lambda suspect: (-suspect.score, ranks[suspect.entity]))


def _has_more(scene: Scene, entity: str) -> bool:
    """Whether something other than a metric shows trouble at an entity."""
    return any(s.entity == entity for s in scene.surging) or any(f.entity == entity for f in scene.troubles())


def _is_old(one: Observation) -> bool:
    """Whether most of it was there before the window, and so is no news."""
    return one.standing.share_before >= NEWS and not one.is_ramp


def _is_explained(scene: Scene, entity: str, observations: list[Observation]) -> bool:
    """Whether every harm that travels up to `entity` is there below it too, about as large."""
    travelling = [o for o in observations if o.channel in _FELT]
    below = _below(scene, entity)
    if not travelling:
        return False
    return all(any(_explains(other, one) for other in scene.at(below, [one.channel])) for one in travelling[:1])


def _explains(other: Observation, one: Observation) -> bool:
    delta, needed = (abs(o.standing.after - o.standing.before) for o in (other, one))
    same = other.series.unit == one.series.unit
    return other.is_harmful and (delta >= EXPLAINED * needed if same else abs(other.harm) >= EXPLAINED * abs(one.harm))


def _below(scene: Scene, entity: str) -> list[str]:
    """Return what `entity` calls; a view stands for what lies behind it."""
    found: list[str] = []
    waiting = list(scene.map.callees.get(entity, ()))
    while waiting:
        callee = waiting.pop(0)
        if callee in found or callee == entity:
            continue
        found.append(callee)
        if scene.map.is_view(callee):
            waiting += scene.map.callees.get(callee, ())
    return [callee for callee in found if not scene.map.is_view(callee)]
