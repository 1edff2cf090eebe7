"""The catalogue of causes as people author it: one YAML file a family, checked when it is read.

A weight is a log-likelihood ratio in nats: how much more often the signal is seen with the cause than without it. The
weight of a cause itself is its log-odds before anything was seen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from services.diagnoser.engines.offline.channels import CHANNELS
from services.diagnoser.engines.offline.facts import KINDS
from shared.errors import AuthoredError
from shared.incident.enums import IncidentCategory, RiskLevel
from shared.runbooks.authored import check
from shared.runbooks.model import Strict

CAUSES = Path(__file__).resolve().parents[2] / "causes"
UNKNOWN = "unknown"

Kind = Literal["machine", "service", "database", "cache", "queue", "external", "job", "zone"]
"""What a cause applies to. What is no machine, or of no known kind, counts as a service too."""
Where = Literal["self", "near", "sufferers", "callees", "callers", "peer"]
"""At the entity itself; there and where it runs and at what runs there; at everybody who would feel it; at what it
calls; at who calls it; or in what others measured of it (`peer`)."""


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


class Signal(Strict):
    """Something that can be seen: a metric of one of the channels that has shifted towards harm, log lines, facts."""

    channel: tuple[str, ...] = ()
    named: Annotated[str, AfterValidator(_pattern)] = ""
    """What the name of the metric must hold as well."""
    log: Annotated[str, AfterValidator(_pattern)] = ""
    quiet: bool = False
    """Whether a line that its writer calls no warning counts as well, if it is new or rare."""
    fact: tuple[str, ...] = ()
    instead: tuple[Signal, ...] = ()
    """What shows the same: one of all these has to be there. Log text stands in only for what was not measured."""
    shape: Literal["any", "ramp", "sudden", "gradual"] = "any"
    direction: Literal["harmful", "up", "down", "calm"] = "harmful"
    above: float | None = Field(default=None, gt=0, le=1)
    """The share of the capacity in use from which on it counts."""
    where: Where = "self"
    weight: float = Field(gt=0)
    says: str = ""
    """What it means when it speaks against the cause."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Signal:
        if [bool(self.channel), bool(self.log), bool(self.fact)].count(True) != 1:
            raise ValueError("a signal names either channels or a log pattern or facts")
        return self

    @property
    def ways(self) -> tuple[Signal, ...]:
        """Itself and what stands in for it."""
        return (self, *self.instead)


class ChangeRule(Strict):
    """A change that must have come before, at most `horizon_minutes` ahead of the harm."""

    kinds: tuple[str, ...] = Field(min_length=1)
    horizon_minutes: float = Field(gt=0)


class Discriminator(Strict):
    """The observation that tells this cause from another."""

    against: str
    check: str


class Action(Strict):
    """What a person may do about a cause where no runbook does; `{entity}` and `{change}` are filled in."""

    do: str
    risk: RiskLevel
    reversible: bool
    verify: str


class Never(Strict):
    """What must not be done about a cause: verbs of runbooks as patterns, such as `database/failover*`."""

    verbs: tuple[Annotated[str, Field(pattern=r"^[a-z*-]+/[a-z*-]+$")], ...] = Field(min_length=1)
    why: str


class Cause(Strict):
    """One cause. `refines` takes over the signals of another cause, which it is a special case of."""

    id: str = Field(pattern=r"^[a-z_]+\.[a-z_]+$")
    title: str
    category: IncidentCategory
    applies_to: tuple[Kind, ...] = Field(min_length=1)
    entity: Literal["affected", "changed"] = "affected"
    unites: bool = False
    """Whether it is one trouble of a service when all machines of the service show it."""
    weight: float
    refines: str = ""
    change: ChangeRule | None = None
    required: tuple[Signal, ...] = ()
    optional: tuple[Signal, ...] = ()
    contra: tuple[Signal, ...] = ()
    actions: tuple[Action, ...] = ()
    never: tuple[Never, ...] = ()
    checks: tuple[Discriminator, ...] = ()

    def check_against(self, other: str) -> str:
        """Return how to tell it from another cause, or nothing."""
        return next((item.check for item in self.checks if item.against == other), "")


class Family(Strict):
    """One file."""

    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All causes, in the order of file names and within each file as written, and the digest of the files."""

    causes: tuple[Cause, ...]
    sha256: str


def load_catalogue(folder: Path = CAUSES) -> Catalogue:
    """Return the catalogue. Raises AuthoredError with file, line and column."""
    digest = hashlib.sha256()
    causes: dict[str, Cause] = {}
    for path in sorted(folder.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        digest.update(f"{path.name}\0{text}\0".encode())
        for cause in check(text, Family, str(path)).causes:
            if cause.id in causes:
                raise AuthoredError(f"{path}: the cause {cause.id!r} is there twice")
            causes[cause.id] = cause
    if not causes:
        raise AuthoredError(f"{folder}: no causes; the catalogue is missing")
    return Catalogue(tuple(_refined(cause, causes) for cause in causes.values()), digest.hexdigest())


def _refined(cause: Cause, causes: dict[str, Cause]) -> Cause:
    if not cause.refines:
        return cause
    if cause.refines not in causes or causes[cause.refines].refines:
        raise AuthoredError(f"{cause.id} refines {cause.refines!r}, which is no cause of its own")
    base = causes[cause.refines]
    return cause.model_copy(
        update={
            "required": base.required + cause.required,
            "optional": base.optional + cause.optional,
            "contra": base.contra + cause.contra,
            "actions": cause.actions or base.actions,
            "never": cause.never + base.never,
            "checks": cause.checks + base.checks,
        }
    )


def problems(catalogue: Catalogue) -> list[str]:
    """Return what a person should look at: words that mean nothing, and checks against causes that are not there."""
    known = {channel.name for channel in CHANNELS}
    names = {cause.id for cause in catalogue.causes} | {UNKNOWN}
    found = []
    for cause in catalogue.causes:
        ways = [way for one in (*cause.required, *cause.optional, *cause.contra) for way in one.ways]
        found += [f"{cause.id}: no channel {c!r}" for way in ways for c in way.channel if c not in known]
        found += [f"{cause.id}: no fact {f!r}" for way in ways for f in way.fact if f not in KINDS]
        found += [f"{cause.id}: no cause {one.against!r}" for one in cause.checks if one.against not in names]
        found += [] if cause.required else [f"{cause.id}: nothing is required, so anything would show it"]
        found += [] if cause.actions else [f"{cause.id}: nobody says what may be done about it"]
        found += [] if cause.checks else [f"{cause.id}: no check tells it from any other cause"]
        found += [] if cause.id.split(".")[0] == cause.category else [f"{cause.id}: its family is not its category"]
    return list(dict.fromkeys(found))


def by_id(causes: Iterable[Cause]) -> dict[str, Cause]:
    """Return causes by id."""
    return {cause.id: cause for cause in causes}
