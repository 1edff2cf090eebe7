"""From what speaks for a hypothesis to how often such a one is right: a logistic curve, fitted by `signoff eval fit`.

Whatever makes a hypothesis better founded never makes it less sure: each weight has the sign of its trait or is zero.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from services.diagnoser.engines.offline.changes import TOLERANCE
from services.diagnoser.engines.offline.channels import ACTIVE, HARMS
from services.diagnoser.engines.offline.scene import PEERS, Observation, Scene
from services.diagnoser.engines.offline.weighing import Hypothesis
from shared.errors import NotFoundError
from shared.runbooks.authored import check
from shared.runbooks.model import Strict

FITTED = Path(__file__).with_name("calibrator.yaml")
LEAD, AHEAD, WEIGHT, KINDS, DEPTH = 6.0, 3.0, 8.0, 4, 8
WORK = frozenset({"backup_running", "failed_over", "planned_work"})
"""Facts that are no trouble and bring it about."""
TRAFFIC = "traffic"
"""It falls wherever anything is wrong."""
SHORTLY = 3600.0
"""Seconds before the onset in which a change is one that might have to do with it."""
LIMIT = 30.0
"""Where an exponential is as good as zero."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What confidence may depend on."""

    lead: float
    """Log-odds of its weight against that of all rivals and of none of them, nats."""
    ahead: float
    """By how much it outweighs whatever could be at any other place, nats."""
    weight: float
    """Its own log-odds, nats; of a place whose cause is not known how suspect that is."""
    kinds: float
    """Independent kinds of evidence: channels, facts, log text."""
    depth: float
    """Background windows behind what shows it, or as many others measured alike, on a logarithmic scale."""
    unused: float
    """What else speaks at the place and is no part of it: other channels, facts, changes shortly before."""
    against: float
    """Signals that speak against it."""
    missing: float
    """Required signals that nobody measured."""
    overtaken: float
    """1 if a rival would be ahead if what was not measured spoke for it."""
    text: float
    """1 if log text stands in for something required."""
    blames: float
    """1 if it holds a change to be the trigger: a change is always near."""


NAMES = tuple(one.name for one in fields(Traits))
SIGNS: Mapping[str, int] = {
    name: -1 if name in {"unused", "against", "missing", "overtaken", "text", "blames"} else 1 for name in NAMES
}


class Curve(Strict):
    """One logistic curve."""

    intercept: float
    weights: dict[str, float]

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        for name, weight in self.weights.items():
            if name not in SIGNS:
                raise ValueError(f"no trait {name!r}; there are {', '.join(NAMES)}")
            if weight * SIGNS[name] < 0:
                raise ValueError(f"{name}: {weight} has the wrong sign, confidence would turn round")
        return self

    def at(self, traits: Traits) -> float:
        """Return the share of such hypotheses that are right."""
        total = self.intercept + sum(weight * getattr(traits, name) for name, weight in self.weights.items())
        return 1.0 / (1.0 + math.exp(-min(max(total, -LIMIT), LIMIT)))


class Fit(Strict):
    """What the curves were fitted to, and how well they did on cases that were left out."""

    cases: int
    groups: int
    """Cases of one group were never both fitted to and tested on."""
    cases_sha256: str
    catalogue_sha256: str
    engine_version: str
    accuracy: float
    brier: float
    ece: float


class Calibrator(Strict):
    """The curves: for a cause of the catalogue, and for a place whose cause is not known."""

    format: Literal["signoff.calibrator/1"] = Field(alias="format")
    fitted: Fit
    known: Curve
    unknown: Curve

    def share(self, one: Hypothesis, traits: Traits) -> float:
        """Return how often such a hypothesis is right, before caps."""
        return (self.known if one.cause else self.unknown).at(traits)


@cache
def load_calibrator(path: Path = FITTED) -> tuple[Calibrator, str]:
    """Return the fitted curves and the digest of their file. Raises AuthoredError when they are unusable."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}; `signoff eval fit` writes it") from error
    return check(content.decode(), Calibrator, str(path)), hashlib.sha256(content).hexdigest()


def traits(scene: Scene, found: Sequence[Hypothesis], *, overtaken: bool) -> Traits:
    """Return the traits of the first of at least one hypothesis."""
    one = found[0]
    needed = {way for signal in one.cause.required for way in signal.ways} if one.cause else set()
    weight = one.suspect.score if one.suspect else one.log_odds
    main = [o for m in one.support[:1] for o in m.observations] or one.observations
    is_counted = bool(one.facts) or (is_written(one) and bool(scene.case.logs_baseline))
    windows = min((compared(scene, o) for o in main), default=DEPTH if is_counted else 0)
    return Traits(
        lead=min(max(lead(found, 0), -LEAD), LEAD),
        ahead=min(max(_ahead(scene, found), -AHEAD), AHEAD),
        weight=min(max(weight, -LEAD), WEIGHT),
        kinds=float(min(kinds(one), KINDS)),
        depth=math.log2(1.0 + min(windows, DEPTH)),
        unused=float(min(_unused(scene, one), KINDS)),
        against=float(len(one.against)),
        missing=float(bool(one.missing)),
        overtaken=float(overtaken),
        text=float(any(m.is_text_alone and m.signal in needed for m in one.support)),
        blames=float(one.link is not None),
    )


def kinds(one: Hypothesis) -> int:
    """Return how many independent kinds of evidence speak for a hypothesis: channels, facts, log text."""
    return len({o.channel for o in one.observations} | {f.kind for f in one.facts}) + is_written(one)


def is_written(one: Hypothesis) -> bool:
    """Whether lines of a log speak for it."""
    return bool(one.suspect.shapes) if one.suspect else any(m.shapes for m in one.support)


def compared(scene: Scene, one: Observation) -> int:
    """Return with how much a series was compared: windows of its past, or else the same measurement elsewhere."""
    windows = one.standing.windows
    alike = sum(o.series.name == one.series.name for o in scene.observations) if windows < 2 else 0  # noqa: PLR2004 -- one window says nothing of how far windows lie apart
    return alike if alike >= PEERS else windows


def _ahead(scene: Scene, found: Sequence[Hypothesis]) -> float:
    """Return by how much the first outweighs all that could be at other places, nats."""
    here = set(scene.map.near(found[0].entity))
    return found[0].log_odds - max((one.log_odds for one in found if one.entity not in here), default=-math.inf)


def _unused(scene: Scene, one: Hypothesis) -> int:
    """Count other channels among those who would feel it, work under way and changes that are no part of it."""
    places = set(scene.map.near(one.entity))
    ways = [way for signal in (*one.cause.required, *one.cause.optional) for way in signal.ways] if one.cause else []
    channels = {o.channel for o in one.observations} | {name for way in ways for name in way.channel} | HARMS
    reach = places | scene.map.sufferers(one.entity)
    others = {
        o.channel
        for o in scene.harmful()
        if o.entity in reach
        and o.channel not in channels
        and (o.channel in ACTIVE or (o.channel == TRAFFIC and o.standing.shift > 0))
    }
    needed = {kind for signal in one.cause.required for way in signal.ways for kind in way.fact} if one.cause else set()
    facts = {fact.kind for fact in scene.facts if fact.counts and fact.entity in places and fact.kind in WORK - needed}
    onset = min((o.onset for o in one.observations if o.onset is not None), default=None)
    changes = [
        change
        for number, change in enumerate(scene.case.changes)
        if onset is not None
        and change.at is not None
        and 0.0 <= onset - change.at + TOLERANCE <= SHORTLY
        and change.entity in places
        and not (one.link and one.link.number == number)
    ]
    return len(others) + len(facts) + len(changes)


def lead(found: Sequence[Hypothesis], number: int) -> float:
    """Return by how much a hypothesis outweighs its rivals, nats. The same cause elsewhere is none: both may be so.

    Of a place whose cause is not known only other places are rivals.
    """
    one = found[number]
    rivals = [r.log_odds for r in found if (r.entity != one.entity if one.cause is None else r.id != one.id)]
    top = max([0.0, *rivals])
    return one.log_odds - top - math.log(math.exp(-top) + sum(math.exp(value - top) for value in rivals))
