"""Where the trouble starts, whatever its cause: the deepest part whose harm nothing below it explains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.diagnoser.engines.offline.background import FARTHEST, SHIFTED
from services.diagnoser.engines.offline.channels import ACTIVE
from services.diagnoser.engines.offline.facts import Fact
from services.diagnoser.engines.offline.logs import SURGE, Shape
from services.diagnoser.engines.offline.remotes import OUT_OF_REACH
from services.diagnoser.engines.offline.scene import Observation, Scene
from services.diagnoser.engines.offline.sharing import shared

EXPLAINED = 0.5
"""A part below explains the one above when its own change is at least this share of the other's."""
HARM_MAX = 30.0
"""Widths; farther out is not more certain."""
FARTHER = 0.1
"""What it counts nevertheless between two that are both far out."""
NEWS = 0.5
THIN = 8
"""Background windows below which a history is thin."""
FACT = 0.5
LOG_SHARE = 0.8
"""What lines of a log count at most beside a shift of a metric."""
LOG_MOST = 10.0
"""Standard deviations; more lines are not more certain."""
WARNING = 0.5
"""What warnings count beside errors."""
GONE_SHARE = 0.6
"""What lines that no longer come count beside errors that are new."""
HINT = 2.0
"""Standard deviations from which on errors that are new agree with what else there is."""
BLAMED = 0.9
"""What an error counts for whom its writer cannot reach."""
MOVED = 1.0
"""Widths from which on a series has moved, though nobody can be sure that it is outside its background."""
FAINT = 2.0
"""What a place is less suspect for that shows no more than that."""
HINTED_MOST = 5
_FELT = frozenset({"latency", "errors"})


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
    seen: dict[str, list[Observation]] = {shape.entity: [] for shape in scene.surging if shape.entity}
    for one in scene.harmful():
        if not scene.map.is_view(one.entity) and one.channel in ACTIVE:
            seen.setdefault(one.entity, []).append(one)
    for entity, views in scene.told_of.items():
        seen.setdefault(entity, []).extend(one for one in views if one.is_harmful and one.channel in ACTIVE)
    for fact in scene.troubles():
        seen.setdefault(fact.entity, [])
    written = _written(scene)
    for entity in written:
        seen.setdefault(entity, [])
    seen.pop("", None)
    seen = {entity: ones for entity, ones in seen.items() if ones or entity in written or _has_more(scene, entity)}
    felt_by = {e: travel for e, ones in seen.items() if (travel := [o for o in ones if o.channel in _FELT])}
    common = shared(scene, felt_by)
    victims = {o.entity for ones in common.values() for o in ones}
    seen.update({place: list(ones) for place, ones in common.items()})
    alerted = scene.alerted()
    told = scene.rings
    felt = {entity for start in alerted for entity in (start, *scene.map.feeds(start))}
    found = []
    for entity, observations in seen.items():
        shapes = tuple(s for s in (*scene.surging, *scene.vanished) if entity == s.entity or entity in _blamed(s))
        facts = tuple(fact for fact in scene.troubles() if fact.entity == entity)
        score = FACT * bool(facts)
        score += max((_size(o) for o in observations), default=0.0)
        score += LOG_SHARE * written.get(entity, 0.0)
        named = (name for s in shapes if s.entity == entity for name in _blamed(s))
        below = max((written.get(callee, 0.0) for callee in (*_below(scene, entity), *named)), default=0.0)
        is_told = not observations and below >= EXPLAINED * written.get(entity, 0.0)
        is_told = is_told or (entity in victims and entity not in common)
        score += 1.0 if not is_told and not _is_explained(scene, entity, observations) else 0.0
        score += 0.5 if entity in felt or not felt else 0.0
        about = {o.channel for o in observations} | (
            {"errors"} if any(s.level == "error" or s.fall for s in shapes) else set()
        )
        score += 0.5 if not told or about & told else 0.0
        score -= 1.0 if observations and all(_is_old(o) for o in observations) else 0.0
        found.append(Suspect(entity, score, tuple(observations), shapes, facts))
    ranks = {suspect.entity: rank for rank, suspect in enumerate(found)}
    return sorted(found, key=lambda suspect: (-suspect.score, ranks[suspect.entity]))


def hinted(scene: Scene, known: Iterable[str]) -> list[Suspect]:
    """Return places that show nothing beyond doubt and moved most, at most `HINTED_MOST`: somewhere to look next."""
    first = next(iter(known), "")
    below = set(_below(scene, first)) if first else set(scene.alerted())
    found = []
    for entity, ones in scene.by_entity.items():
        moved = tuple(o for o in ones if o.channel in ACTIVE | {"traffic"} and abs(o.harm) >= MOVED)
        if moved and entity not in known and not scene.map.is_view(entity):
            size = max(min(abs(o.harm), SHIFTED) / SHIFTED * (1.0 if o.harm > 0 else 0.5) for o in moved)
            found.append(Suspect(entity, size + (0.5 if entity in below else 0.0) - FAINT, moved))
    return sorted(found, key=lambda one: -one.score)[:HINTED_MOST]


def _size(one: Observation) -> float:
    """Return from 0 to 1 how far out a series was at its worst since it began; with a thin history half as far."""
    stands = one.standing
    worst = max(abs(one.harm), stands.peak if stands.shift > 0 else -stands.peak)
    return (min(worst, HARM_MAX) / HARM_MAX + FARTHER * min(worst / FARTHEST, 1.0)) * (
        1.0 if stands.windows >= THIN else 0.5
    )


def _has_more(scene: Scene, entity: str) -> bool:
    """Whether something other than a metric shows trouble at an entity."""
    if any(s.entity == entity for s in (*scene.surging, *scene.vanished)):
        return True
    return any(f.entity == entity for f in scene.troubles())


def _written(scene: Scene) -> dict[str, float]:
    """Return, from 0 to 1, how much logs say that an entity is in trouble itself; kinds of lines that agree add up."""
    kinds: dict[tuple[str, str], float] = {}

    def enter(entity: str, kind: str, size: float) -> None:
        kinds[entity, kind] = max(kinds.get((entity, kind), 0.0), size)

    for shape in (*scene.surging, *_hints(scene)):
        own = min(shape.surge, LOG_MOST) / LOG_MOST * (1.0 if shape.level == "error" else WARNING)
        enter(shape.entity, "own", own)
        for name in sorted(_blamed(shape)):
            enter(name, "blamed", BLAMED * own)
    for shape in scene.vanished:
        enter(shape.entity, "vanished", GONE_SHARE * min(shape.fall, LOG_MOST) / LOG_MOST)
    found: dict[str, float] = {}
    for (entity, _), size in kinds.items():
        found[entity] = 1.0 - (1.0 - found.get(entity, 0.0)) * (1.0 - size)
    return found


def _hints(scene: Scene) -> list[Shape]:
    """Return errors that never came before, too few to be remarkable by themselves."""
    return [s for s in scene.shapes if s.level == "error" and not s.earlier and HINT <= s.surge < SURGE]


def _blamed(shape: Shape) -> set[str]:
    """Return whom an error says to be out of reach: such words tell of them, not of their writer."""
    return shape.mentions - {shape.entity} if shape.is_bad and OUT_OF_REACH.search(shape.template) else set()


def _is_old(one: Observation) -> bool:
    """Whether most of it was there before the window, and so is no news."""
    return one.standing.share_before >= NEWS and not one.is_ramp


def _is_explained(scene: Scene, entity: str, observations: list[Observation]) -> bool:
    """Whether every harm that travels up to `entity` is there below it too, about as large."""
    travelling = [o for o in observations if o.channel in _FELT]
    below = _below(scene, entity)
    if not travelling or any(o.standing.shift >= SHIFTED for o in scene.at([entity], ["traffic"])):
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
