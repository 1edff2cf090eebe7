"""Whether a change may have caused what was seen, and how little a coincidence it would be.

That there was a deploy says nothing where there is one every hour: the gain is measured against the rate of changes
that could have hit the same place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.diagnoser.domain.case import CaseChange
from services.diagnoser.engines.offline.catalogue import ChangeRule
from services.diagnoser.engines.offline.scene import Observation, Scene

TOLERANCE = 120.0
"""Seconds by which an onset may seem to come before its cause: clocks and measuring steps."""
LOOK_BACK = 6 * 3600.0
"""Seconds; the shortest span over which a rate of changes is believed."""
CHANCE = 0.6
"""How often a change precedes the harm this closely when it is the cause."""
GAIN_MAX = 4.0
DOSE = 1.0
_KINDS = {"deployment": "deploy", "release": "deploy", "rollout": "deploy"}


@dataclass(frozen=True, slots=True)
class Link:
    """A change that may be the cause. `delay` is seconds from change to onset, `gain` is in nats."""

    number: int
    change: CaseChange
    delay: float
    gain: float
    spared: tuple[Observation, ...] = ()
    """The same measurement at places the change did not reach, which are calm."""


def covers(scene: Scene, change: CaseChange, entity: str) -> bool:
    """Whether a change reached an entity: itself, what runs there, or where it runs."""
    if change.hosts and scene.map.is_machine(entity):
        return entity in change.hosts
    return change.entity in scene.map.near(entity) or entity in change.hosts


def kind_of(change: CaseChange) -> str:
    """Return the kind in the words of the catalogue."""
    kind = change.kind.lower()
    return _KINDS.get(kind, kind)


def link(scene: Scene, entity: str, rule: ChangeRule, onset: float | None, seen: Sequence[Observation]) -> Link | None:
    """Return the change that explains best what began at `entity` at `onset`, or None."""
    if onset is None:
        return None
    numbered = list(enumerate(scene.case.changes))
    rivals = [(n, c, c.at) for n, c in numbered if c.at is not None and covers(scene, c, entity)]
    horizon = rule.horizon_minutes * 60.0
    found = [
        _link(scene, (number, change), onset - at, len(rivals), seen)
        for number, change, at in rivals
        if kind_of(change) in rule.kinds and -TOLERANCE <= onset - at <= horizon
    ]
    return max(found, key=lambda one: (one.gain, one.number), default=None)


def _link(
    scene: Scene, numbered: tuple[int, CaseChange], delay: float, rivals: int, seen: Sequence[Observation]
) -> Link:
    number, change = numbered
    span = _look_back(scene)
    by_chance = 1.0 - math.exp(-rivals / span * (max(delay, 0.0) + TOLERANCE))
    gain = min(math.log(CHANCE / by_chance), GAIN_MAX)
    spared = _spared(scene, change, seen)
    return Link(number, change, delay, gain + (DOSE if spared else 0.0), spared)


def _look_back(scene: Scene) -> float:
    times = [change.at for change in scene.case.changes if change.at is not None]
    spans = [len(s.baseline) * s.step_s for s in scene.case.metrics if s.step_s]
    since = scene.now - min(times) if scene.now is not None and times else 0.0
    return max(LOOK_BACK, since, *spans) if spans else max(LOOK_BACK, since)


def _spared(scene: Scene, change: CaseChange, seen: Sequence[Observation]) -> tuple[Observation, ...]:
    """Return the calm measurements of peers without the change; nothing when a peer shows the same harm."""
    peers = [
        other
        for one in seen
        if one.entity in change.hosts
        for other in scene.alike(one, scene.map.peers(one.entity))
        if other.entity not in change.hosts
    ]
    calm = sorted(set(peers), key=lambda peer: peer.number)
    return () if any(peer.is_harmful for peer in calm) else tuple(calm)
