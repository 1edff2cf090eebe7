"""Every cause of the catalogue at every place where it could be, in log-odds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from services.diagnoser.engines.offline.catalogue import UNKNOWN, Catalogue, Cause, Signal
from services.diagnoser.engines.offline.changes import Link, link
from services.diagnoser.engines.offline.channels import FELT, HARMS
from services.diagnoser.engines.offline.facts import Fact
from services.diagnoser.engines.offline.locating import Suspect, hinted, suspects
from services.diagnoser.engines.offline.scene import Observation, Scene, impact
from services.diagnoser.engines.offline.signals import Match, match

UNMEASURED = 1.0
"""What a required signal costs that nobody measured: a cause that can be shown goes first."""
UNEXPLAINED = 0.4
UNEXPLAINED_MAX = 4
_TRAFFIC = frozenset({"traffic"})
_COMMON = HARMS | _TRAFFIC
_STORES = frozenset({"database", "cache", "queue"})
_CALLED = re.compile(
    r"(?i)redis|memcache|valkey|cache|kafka|rabbit|pulsar|nats|sqs|kinesis|queue|sql|postgres|mongo|maria|oracle"
    r"|cassandra|dynamo|aurora|(^|[-_.])(rds|db|mq)|db\d*$"
)
_OF_STORES = re.compile(
    r"(?i)quer|statement|sql|replica|iops|lock|storage|commit|tuple|database|transaction|evict|depth"
)
RUNG = 0.5
"""Nats for what an alert is about: somebody once thought that it matters."""
UNKNOWN_WEIGHT = 0.1
UNKNOWN_STEP = 2.0
"""Nats a place loses for each point by which it is less suspect than the first."""
NEARER_MOST = 1.5
"""Nats that a less suspect place loses at most: what speaks for the cause itself counts more."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A cause at an entity, what speaks for and against it, and its log-odds."""

    cause: Cause | None
    """None: something the catalogue does not know."""
    entity: str
    log_odds: float
    support: tuple[Match, ...] = ()
    against: tuple[Match, ...] = ()
    missing: tuple[Match, ...] = ()
    """Required signals that were not measured."""
    absent: tuple[Match, ...] = ()
    """Required signals that were measured and are not there: the cause is ruled out."""
    link: Link | None = None
    lacks_change: bool = False
    suspect: Suspect | None = None

    @property
    def id(self) -> str:
        """The id in the catalogue, or `unknown`."""
        return self.cause.id if self.cause else UNKNOWN

    @property
    def is_founded(self) -> bool:
        """Whether anything but harm, which every cause does, speaks for it."""
        seen = [m for m in self.support if m.signal.direction != "calm"]
        return self.link is not None or any(m.signal.where != "sufferers" for m in seen)

    @property
    def is_pointed_at(self) -> bool:
        """Whether something at the place itself speaks for it, other than harm and load, which all causes may bring."""
        own = [m for m in self.support if m.signal.where in {"self", "near"} and m.signal.direction != "calm"]
        return any(m.facts or any(o.channel not in _COMMON for o in m.observations) for m in own)

    @property
    def is_text_alone(self) -> bool:
        """Whether something it cannot be without is known from log text alone."""
        needed = {way for signal in self.cause.required for way in signal.ways} if self.cause else set()
        return any(m.is_text_alone and m.signal in needed for m in self.support)

    @property
    def is_ruled_out(self) -> bool:
        """Whether something it cannot be without is known not to be there."""
        return bool(self.absent) or self.lacks_change

    @property
    def is_shown(self) -> bool:
        """Whether all it cannot be without was measured and is there."""
        return not self.is_ruled_out and not self.missing

    @property
    def potential(self) -> float:
        """Its log-odds if the metrics that nobody measured spoke for it."""
        return self.log_odds + sum(one.signal.weight + UNMEASURED for one in self.missing if one.signal.channel)

    @property
    def observations(self) -> list[Observation]:
        """Return the series that speak for it, required ones first."""
        found = self.suspect.observations if self.suspect else [o for m in self.support for o in m.observations]
        return list(dict.fromkeys(found))

    @property
    def facts(self) -> list[Fact]:
        """Return the facts that speak for it."""
        found = self.suspect.facts if self.suspect else [f for m in self.support for f in m.facts]
        return list(dict.fromkeys(found))


def hypotheses(scene: Scene, catalogue: Catalogue) -> list[Hypothesis]:
    """Return all hypotheses, ruled out ones included, the likeliest first."""
    origins = suspects(scene)
    judged = (
        _hypothesis(scene, cause, entity)
        for cause in catalogue.causes
        for entity in _places(scene, cause, [suspect.entity for suspect in origins])
    )
    known = _nearer(scene, origins, _united(scene, [one for one in judged if one.is_founded]))
    places = [*origins, *hinted(scene, [suspect.entity for suspect in origins])]
    unknown = [
        Hypothesis(None, one.entity, UNKNOWN_WEIGHT - UNKNOWN_STEP * (places[0].score - one.score), suspect=one)
        for one in places
    ]
    found = [*known, *unknown]
    ranks = {id(one): rank for rank, one in enumerate(found)}
    return sorted(found, key=lambda one: (one.is_ruled_out, -round(one.log_odds, 9), ranks[id(one)]))


def _places(scene: Scene, cause: Cause, origins: list[str]) -> list[str]:
    """Return where a cause could be: places that show something, each of a kind the cause applies to."""
    if cause.entity == "changed":
        found = [change.entity for change in scene.case.changes]
    else:
        first = [*origins, *scene.alerted()]
        near = [other for entity in first for other in scene.map.near(entity)]
        found = [*first, *near, *(fact.entity for fact in scene.facts if fact.counts)]
    return [entity for entity in dict.fromkeys(found) if entity and _applies(scene, cause, entity)]


def _applies(scene: Scene, cause: Cause, entity: str) -> bool:
    kind, own = "machine" if scene.map.is_machine(entity) else "service", scene.map.kinds.get(entity, "")
    kinds = {own, kind, *(_STORES if _is_store(scene, entity, own) else ())}
    return not scene.map.is_view(entity) and bool(kinds & set(cause.applies_to))


def _is_store(scene: Scene, entity: str, kind: str) -> bool:
    """Whether a place is called like a store, or measured like one, though nobody says so."""
    measured = any(_OF_STORES.search(o.series.name) for o in scene.by_entity.get(entity, ())) if not kind else False
    return measured or (kind in {"", "service"} and _CALLED.search(entity) is not None)


def _hypothesis(scene: Scene, cause: Cause, entity: str) -> Hypothesis:
    required = [match(scene, signal, entity) for signal in cause.required]
    optional = [match(scene, signal, entity) for signal in cause.optional]
    contra = [match(scene, signal, entity) for signal in cause.contra]
    support = tuple(one for one in (*required, *optional) if one.state == "present")
    seen = [o for one in required for o in one.observations if one.state == "present"]
    against = tuple(one for one in contra if one.state == "present")
    if _is_spared(scene, entity, seen):
        against = tuple(one for one in against if set(one.signal.channel) != _TRAFFIC)
    found = None
    if cause.change:
        found = link(scene, entity, cause.change, _onset(scene, entity, seen), seen)
    log_odds = cause.weight + sum(one.gain for one in support) - sum(one.gain for one in against)
    log_odds += RUNG if any(map(partial(_is_rung, scene), cause.required, required)) else 0.0
    missing = tuple(one for one in required if one.state == "unmeasured")
    log_odds += (found.gain if found else 0.0) - UNEXPLAINED * _unexplained(scene, entity) - UNMEASURED * len(missing)
    return Hypothesis(
        cause,
        entity,
        log_odds,
        support,
        against,
        missing=missing,
        absent=tuple(one for one in required if one.state == "absent"),
        link=found,
        lacks_change=cause.change is not None and found is None and scene.case.knows_changes,
    )


def _is_spared(scene: Scene, entity: str, seen: Iterable[Observation]) -> bool:
    """Whether machines that do the same work show nothing of it: then what they all bear does not speak against it."""
    peers = [other for one in seen for other in scene.alike(one, scene.map.peers(entity))]
    return bool(peers) and not any(one.is_harmful for one in peers)


def _is_rung(scene: Scene, signal: Signal, one: Match) -> bool:
    """Whether an alert that fires is about the very thing that is seen."""
    return one.state == "present" and any(scene.rings & set(way.channel) for way in signal.ways)


def _united(scene: Scene, known: list[Hypothesis]) -> list[Hypothesis]:
    """Return the hypotheses with one at the service in place of the same at each of its machines."""
    found = list(known)
    for service, machines in scene.map.machines.items():
        for cause in dict.fromkeys(one.cause for one in known if one.cause and one.cause.unites):
            same = [one for one in known if one.cause == cause and one.entity in machines and one.is_shown]
            if len(same) >= max(len(machines), 2):
                best = max(same, key=lambda one: one.log_odds)
                found = [one for one in found if one not in same]
                found.append(replace(best, entity=service, support=_merged(same)))
    return found


def _nearer(scene: Scene, origins: Iterable[Suspect], known: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Let the same cause count less where trouble is less likely to start: harm travels."""
    ones = list(known)
    scores = {suspect.entity: suspect.score for suspect in origins}
    own = [max((scores[e] for e in scene.map.near(one.entity) if e in scores), default=None) for one in ones]
    best: dict[str, float] = {}
    for one, score in zip(ones, own, strict=True):
        if one.is_shown and score is not None:
            best[one.id] = max(best.get(one.id, score), score)
    found = []
    for one, score in zip(ones, own, strict=True):
        behind = 0.0 if score is None else max(best.get(one.id, score) - score, 0.0)
        found.append(replace(one, log_odds=one.log_odds - min(UNKNOWN_STEP * behind, NEARER_MOST)))
    return found


def _merged(same: Iterable[Hypothesis]) -> tuple[Match, ...]:
    return tuple(match for one in same for match in one.support)


def _onset(scene: Scene, entity: str, seen: list[Observation]) -> float | None:
    """Return when it began: what is required says so, else the first thing that went wrong at this place."""
    times = [o.onset for o in seen if o.onset is not None]
    if not seen:
        times = [o.onset for o in scene.harmful() if o.entity in scene.map.near(entity) and o.onset is not None]
        times += [s.first_at for s in scene.surging if s.entity == entity and s.first_at is not None]
    return min(times, default=None)


def unexplained(scene: Scene, entity: str) -> list[Observation]:
    """Return what others suffer whom it cannot have reached.

    Where nobody knows who needs whom, that is all of them if its own latency or errors were measured and are calm, else
    nothing.
    """
    reached = scene.map.sufferers(entity) | set(scene.map.near(entity))
    own = scene.at([entity], FELT)
    if not scene.map.callers and not scene.map.tenants and (not own or own[0].is_harmful):
        return []
    return [one for one in impact(scene) if one.entity not in reached]


def _unexplained(scene: Scene, entity: str) -> int:
    return min(len({one.entity for one in unexplained(scene, entity)}), UNEXPLAINED_MAX)
