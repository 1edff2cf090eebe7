"""Whether a signal of the catalogue is there, is absent, or was not measured. These are three different things."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from services.diagnoser.engines.offline.background import FARTHEST, SHIFTED
from services.diagnoser.engines.offline.catalogue import Signal
from services.diagnoser.engines.offline.channels import ACTIVE, HARMS
from services.diagnoser.engines.offline.facts import Fact
from services.diagnoser.engines.offline.logs import SURGE, Shape
from services.diagnoser.engines.offline.scene import RARE, Observation, Scene

SUDDEN = 0.7
"""The share of its final size that a sudden shift has reached soon after it began."""
TOLD = 0.8
"""What a fact counts that was read from words, beside one that has a field."""
THIN = 0.5
"""What a shift counts of which nobody knows how far the same measurement moves anyway."""
FAR = 0.4
"""What the farthest shift counts more than one that is just beyond doubt, so that of several places the worst leads."""
MENTIONED = 0.8
SAID = 0.85
"""What lines of a log count that stand in for a measurement."""

State = Literal["present", "absent", "unmeasured"]


@dataclass(frozen=True, slots=True)
class Match:
    """What was found of one signal. `strength` is 0 to 1, and up to `1 + FAR` far beyond doubt."""

    signal: Signal
    state: State
    strength: float = 0.0
    observations: tuple[Observation, ...] = ()
    """What shows it; or what was measured and does not."""
    shapes: tuple[Shape, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def gain(self) -> float:
        """Nats."""
        return self.signal.weight * self.strength

    @property
    def is_text_alone(self) -> bool:
        """Whether nothing but lines of a log shows it."""
        return bool(self.shapes) and not self.observations and not self.facts


def match(scene: Scene, signal: Signal, entity: str) -> Match:
    """Judge one signal at one entity, and what stands in for it."""
    found = [_match(scene, way, entity) for way in signal.ways]
    if len(found) == 1:
        return found[0]
    measured = [one for one in found if not one.signal.log]
    seen = [one for one in measured if one.state == "present"]
    absent = [one for one in measured if one.state == "absent"]
    if not seen and absent:
        return replace(absent[0], signal=signal)
    said = (replace(one, strength=one.strength * SAID) for one in found if one.state == "present" and one.signal.log)
    best = max(seen or said, key=lambda one: one.gain, default=None)
    return best or Match(signal, "unmeasured")


def _match(scene: Scene, signal: Signal, entity: str) -> Match:
    if signal.fact:
        return _fact(scene, signal, entity)
    if signal.log:
        return _log(scene, signal, _places(scene, signal, entity), entity)
    return _metric(scene, signal, entity)


def _places(scene: Scene, signal: Signal, entity: str) -> set[str]:
    if signal.where in {"callees", "callers"}:
        return set((scene.map.callees if signal.where == "callees" else scene.map.callers).get(entity, ()))
    if signal.where in {"near", "sufferers"}:
        return set(scene.map.near(entity)) if signal.where == "near" else scene.map.sufferers(entity)
    return {entity}


def _metric(scene: Scene, signal: Signal, entity: str) -> Match:
    if signal.where == "peer":
        measured = [o for o in scene.told_of.get(entity, ()) if o.channel in signal.channel]
    else:
        measured = scene.at(_places(scene, signal, entity), signal.channel)
    if signal.named:
        pattern = re.compile(signal.named)
        measured = [o for o in measured if pattern.search(o.series.name)]
    if signal.above is not None and not any(o.used is not None for o in measured):
        return Match(signal, "unmeasured")
    if signal.direction == "calm":
        is_calm = bool(measured) and not any(o.is_harmful for o in measured)
        state: State = "present" if is_calm else "absent" if measured else "unmeasured"
        return Match(signal, state, 1.0 if is_calm else 0.0, tuple(measured))
    found = [o for o in measured if _shows(o, signal)]
    if found:
        return Match(signal, "present", max(_strength(o, _distance(o, signal)) for o in found), tuple(found))
    return Match(signal, "absent" if measured else "unmeasured", observations=tuple(measured))


def _shows(one: Observation, signal: Signal) -> bool:
    if signal.above is not None and (one.used is None or one.used < signal.above):
        return False
    if signal.direction == "harmful":
        is_there = one.is_harmful or (signal.above is not None and one.standing.rarity <= RARE)
    else:
        is_there = (one.standing.shift if signal.direction == "up" else -one.standing.shift) >= SHIFTED
    return is_there and _fits(one, signal)


def _fits(one: Observation, signal: Signal) -> bool:
    sudden = one.standing.suddenness >= SUDDEN
    return {"any": True, "ramp": one.is_ramp, "sudden": sudden, "gradual": not sudden}[signal.shape]


def _distance(one: Observation, signal: Signal) -> float:
    """Return how far beyond doubt an observation is: 0.5 at the threshold, 1 at twice that; half with no history."""
    if signal.above is not None or (one.onset is None and (one.standing.windows or one.is_ramp)):
        return 1.0
    if one.onset is None:
        return THIN
    return abs(one.standing.shift) / (2 * SHIFTED) * (1.0 if one.standing.windows > 1 else THIN)


def _strength(one: Observation, distance: float) -> float:
    """Return what a distance counts: far beyond doubt a little more, but for harm and load, which travel."""
    if distance <= 1.0 or one.channel not in ACTIVE - HARMS:
        return min(distance, 1.0)
    return 1.0 + FAR * math.log(distance) / math.log(FARTHEST / (2 * SHIFTED))


def _log(scene: Scene, signal: Signal, places: Iterable[str], entity: str) -> Match:
    pattern = re.compile(signal.log)
    around = set(places)
    named = [s for s in scene.shapes if s.entity in around or entity in s.mentions]
    news = (s for s in named if scene.is_news(s) or (signal.quiet and scene.is_rare(s)))
    found = [s for s in news if pattern.search(s.template) is not None]
    if found:
        found.sort(key=lambda s: (-s.surge, s.number))
        strength = 1.0 if signal.quiet else min(1.0, found[0].surge / (2 * SURGE))
        return Match(signal, "present", strength, shapes=tuple(found[:3]))
    return Match(signal, "absent" if named else "unmeasured")


def _fact(scene: Scene, signal: Signal, entity: str) -> Match:
    places = _places(scene, signal, entity)
    kinds = frozenset(signal.fact)
    known = [f for f in scene.facts if f.kind in kinds and (f.entity in places or entity == f.peer)]
    found = tuple(f for f in known if f.counts)
    if signal.direction == "calm":
        return Match(
            signal, "present" if known and not found else "absent" if found else "unmeasured", 1.0, facts=tuple(known)
        )
    if found:
        strength = max((TOLD if f.is_text else 1.0) * (1.0 if f.entity in places else MENTIONED) for f in found)
        return Match(signal, "present", strength, facts=found[:3])
    return Match(signal, "absent" if any(not f.is_event for f in known) else "unmeasured", facts=tuple(known[:2]))
