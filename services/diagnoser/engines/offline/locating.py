"""Where the trouble starts, whatever its cause: the deepest part whose harm nothing below it explains."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from services.diagnoser.engines.offline.background import SHIFTED, WINDOWS
from services.diagnoser.engines.offline.channels import ACTIVE, FELT
from services.diagnoser.engines.offline.facts import Fact
from services.diagnoser.engines.offline.logs import Shape
from services.diagnoser.engines.offline.remotes import OUT_OF_REACH
from services.diagnoser.engines.offline.scene import Observation, Scene
from services.diagnoser.engines.offline.sharing import shared

EXPLAINED = 0.5
"""A part below explains the one above when its own change is at least this share of the other's."""
HARM_MAX = 30.0
"""Widths; farther out is not more certain."""
FACT = 0.5
LOG_SHARE = 0.8
"""What lines of a log count at most beside a shift of a metric."""
LOG_MOST = 10.0
"""Standard deviations; more lines are not more certain."""
LESSER = 0.5
"""What warnings, and lines that no longer come, count beside errors."""
MOVED = 1.0
"""Widths from which on a series has moved, though nobody can be sure that it is outside its background."""
FAINT = 2.0
"""What a place is less suspect for that shows no more than that."""
HINTED_MOST = 5
DILUTED = 0.5
"""What a place is less suspect for at most where calls take longer by a smaller factor than elsewhere and no map says
who waits for whom: a caller has other work as well."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An entity that may be where the trouble starts, and what shows it. A larger `score` is more likely."""

    entity: str
    score: float
    observations: tuple[Observation, ...]
    shapes: tuple[Shape, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether something there is beyond doubt."""
        return bool(self.shapes or self.facts) or any(o.is_harmful for o in self.observations)


def suspects(scene: Scene) -> list[Suspect]:
    """Return the entities with harm of their own, the likeliest origin first."""
    written = _written(scene)
    stated = [fact.entity for fact in scene.troubles()]
    seen: dict[str, list[Observation]] = {entity: [] for entity in (*written, *stated) if entity}
    for one in scene.harmful():
        if not scene.map.is_view(one.entity) and one.channel in ACTIVE:
            seen.setdefault(one.entity, []).append(one)
    felt_by = {e: travel for e, ones in seen.items() if (travel := [o for o in ones if o.channel in FELT])}
    common = shared(scene, felt_by)
    victims = {o.entity for ones in common.values() for o in ones} - set(common)
    seen.update({place: list(ones) for place, ones in common.items()})
    felt = {entity for start in scene.alerted() for entity in (start, *scene.map.feeds(start))}
    rises = {} if scene.map.callers else _rises(scene, felt_by)
    most = max(rises.values(), default=0.0)
    found = []
    for entity, observations in seen.items():
        shapes = tuple(s for s in (*scene.surging, *scene.vanished) if entity == s.entity or entity in _blamed(s))
        facts = tuple(fact for fact in scene.troubles() if fact.entity == entity)
        score = max(map(_size, observations), default=0.0) + LOG_SHARE * written.get(entity, 0.0) + FACT * bool(facts)
        named = (name for s in shapes if s.entity == entity for name in _blamed(s))
        below = max((written.get(callee, 0.0) for callee in (*_below(scene, entity), *named)), default=0.0)
        is_told = entity in victims or (not observations and below >= EXPLAINED * written.get(entity, 0.0))
        score += 1.0 if not is_told and not _is_explained(scene, entity, observations) else 0.0
        score += 0.5 if entity in felt or not felt else 0.0
        score -= DILUTED * (1.0 - rises[entity] / most) if most and entity in rises else 0.0
        about = {o.channel for o in observations}
        about |= {"errors"} if any(s.level == "error" or s.fall for s in shapes) else set()
        score += 0.5 if not scene.rings or about & scene.rings else 0.0
        found.append(Suspect(entity, score, tuple(observations), shapes, facts))
    ranks = {suspect.entity: rank for rank, suspect in enumerate(found)}
    return sorted(found, key=lambda suspect: (-suspect.score, ranks[suspect.entity]))


def hinted(scene: Scene, known: Iterable[str]) -> list[Suspect]:
    """Return places that show nothing beyond doubt and moved most, at most `HINTED_MOST`: somewhere to look next."""
    first = next(iter(known), "")
    below = set(_below(scene, first)) if first else set(scene.alerted())
    found = []
    for entity, ones in scene.by_entity.items():
        moved = tuple(o for o in ones if o.channel in ACTIVE and abs(o.harm) >= MOVED)
        if moved and entity not in known and not scene.map.is_view(entity):
            size = max(min(abs(o.harm), SHIFTED) / SHIFTED for o in moved)
            found.append(Suspect(entity, size + (0.5 if entity in below else 0.0) - FAINT, moved))
    return sorted(found, key=lambda one: -one.score)[:HINTED_MOST]


def _size(one: Observation) -> float:
    """Return from 0 to 1 how far out a series was at its worst since it began; with a thin history half as far."""
    stands = one.standing
    worst = max(abs(one.harm), stands.peak if stands.shift > 0 else -stands.peak)
    return min(worst, HARM_MAX) / HARM_MAX * (1.0 if stands.windows >= WINDOWS else 0.5)


def _rises(scene: Scene, felt_by: Mapping[str, Sequence[Observation]]) -> dict[str, float]:
    """Return by what factor calls take longer where they do, on a logarithmic scale; of several series the mean."""
    found = {}
    for entity, ones in felt_by.items():
        known = [o.standing for o in scene.at([entity], ["latency"]) if o.standing.windows > 1]
        factors = [math.log(one.after / one.before) for one in known if one.before > 0 and one.after > 0]
        if factors and any(o.channel == "latency" for o in ones):
            found[entity] = max(fmean(factors), 0.0)
    return found


def _written(scene: Scene) -> dict[str, float]:
    """Return, from 0 to 1, how much logs say that an entity is in trouble itself."""
    found: dict[str, float] = {}
    for shape in (*scene.surging, *scene.vanished):
        size = min(max(shape.surge, shape.fall), LOG_MOST) / LOG_MOST * (1.0 if shape.level == "error" else LESSER)
        for entity in (shape.entity, *sorted(_blamed(shape))):
            found[entity] = max(found.get(entity, 0.0), size)
    return found


def _blamed(shape: Shape) -> set[str]:
    """Return whom an error says to be out of reach: such words tell of them, not of their writer."""
    return shape.mentions - {shape.entity} if shape.is_bad and OUT_OF_REACH.search(shape.template) else set()


def _is_explained(scene: Scene, entity: str, observations: list[Observation]) -> bool:
    """Whether every harm that travels up to `entity` is there below it too, about as large."""
    travelling = [o for o in observations if o.channel in FELT]
    below = _below(scene, entity)
    if not travelling or any(o.standing.shift >= SHIFTED for o in scene.at([entity], ["traffic"])):
        return False
    return all(any(_explains(other, one) for other in scene.at(below, [one.channel])) for one in travelling[:1])


def _explains(other: Observation, one: Observation) -> bool:
    delta, needed = (abs(o.standing.after - o.standing.before) for o in (other, one))
    return other.is_harmful and (delta >= EXPLAINED * needed or other.series.unit != one.series.unit)


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
