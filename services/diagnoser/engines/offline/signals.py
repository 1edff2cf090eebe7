"""Whether a signal of the catalogue is there, is absent, or was not measured. These are three different things."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from services.diagnoser.engines.offline.background import SHIFTED
from services.diagnoser.engines.offline.catalogue import Signal
from services.diagnoser.engines.offline.logs import SURGE, Shape
from services.diagnoser.engines.offline.scene import RARE, Observation, Scene

SUDDEN = 0.7
"""The share of its final size that a sudden shift has reached soon after it began."""

State = Literal["present", "absent", "unmeasured"]


@dataclass(frozen=True, slots=True)
class Match:
    """What was found of one signal. `strength` is between 0 and 1."""

    signal: Signal
    state: State
    strength: float = 0.0
    observations: tuple[Observation, ...] = ()
    """What shows it; or what was measured and does not."""
    shapes: tuple[Shape, ...] = ()

    @property
    def gain(self) -> float:
        """Nats."""
        return self.signal.weight * self.strength


def match(scene: Scene, signal: Signal, entity: str) -> Match:
    """Judge one signal at one entity."""
    places = _places(scene, signal, entity)
    return _log(scene, signal, places, entity) if signal.log else _metric(scene, signal, places)


def _places(scene: Scene, signal: Signal, entity: str) -> set[str]:
    if signal.where == "self":
        return {entity}
    return set(scene.map.near(entity)) if signal.where == "near" else scene.map.sufferers(entity)


def _metric(scene: Scene, signal: Signal, places: Iterable[str]) -> Match:
    measured = scene.at(places, signal.channel)
    if signal.above is not None and not any(o.used is not None for o in measured):
        return Match(signal, "unmeasured")
    found = [o for o in measured if _shows(o, signal)]
    if found:
        return Match(signal, "present", min(1.0, max(_distance(o, signal) for o in found)), tuple(found))
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
    """Return how far beyond doubt an observation is: 0.5 at the threshold, 1 at twice that."""
    return 1.0 if signal.above is not None else abs(one.standing.shift) / (2 * SHIFTED) if one.onset else 1.0


def _log(scene: Scene, signal: Signal, places: set[str], entity: str) -> Match:
    pattern = re.compile(signal.log)
    named = [s for s in scene.shapes if s.entity in places or entity in s.mentions]
    found = [
        s
        for s in named
        if s.is_bad and s.surge >= SURGE and scene.is_current(s) and pattern.search(s.template) is not None
    ]
    if found:
        found.sort(key=lambda s: (-s.surge, s.number))
        return Match(signal, "present", min(1.0, found[0].surge / (2 * SURGE)), shapes=tuple(found[:3]))
    return Match(signal, "absent" if named else "unmeasured")
