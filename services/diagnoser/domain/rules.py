"""The rule file: how alerts are correlated, held back and suppressed by plan."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from shared.runbooks.model import Strict


class CorrelationRule(Strict):
    """Two alerts belong together when all of `same` are equal and their data times are near.

    A name in `same` is `service`, `host`, `metric`, `title`, `source`, or else a label.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    same: tuple[str, ...] = Field(min_length=1)
    window_seconds: float = Field(default=900.0, gt=0)
    """How far an alert may be from the first or the newest alert of the incident, in data time."""


class FlapRule(Strict):
    """An alert that changed `changes` times within `within_seconds` (data time) waits `hold_seconds` (wall time)."""

    changes: int = Field(default=6, ge=2)
    within_seconds: float = Field(default=600.0, gt=0)
    hold_seconds: float = Field(default=300.0, gt=0)
    simulated: bool = False
    """Whether it also holds in simulated runs, whose data time may run much faster than the hold."""


class Maintenance(Strict):
    """Planned suppression over a scope and a time."""

    title: str
    matchers: dict[str, str] = Field(min_length=1)
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class Rules(Strict):
    """The whole rule file. The first correlation rule that fits decides."""

    correlate: tuple[CorrelationRule, ...] = (CorrelationRule(name="same_service", same=("service",)),)
    reorder_tolerance_seconds: float = Field(default=300.0, ge=0)
    """An alert that arrives after its own recovery still opens an incident when it is at most this much older."""
    flap: FlapRule = FlapRule()
    maintenance: tuple[Maintenance, ...] = ()
