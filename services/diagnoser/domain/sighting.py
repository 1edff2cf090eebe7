"""What one sighting of an alert means, given what is known of its cycle. Data times only.

Duplicates and reordering end in the same state: what counts is when something happened, not when it arrived.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from shared.incident.enums import AlertStatus


class Cycle(TypedDict):
    """One firing-to-recovered span. `fired` and `recovered` are the newest data times seen of each."""

    fired: float | None
    recovered: float | None
    incident: str | None


class AlertRow(TypedDict):
    """What the scope keeps of one alert: its newest cycles by name, and when it changed lately."""

    cycles: dict[str, Cycle]
    severity: int
    flips: list[float]
    held: NotRequired[dict[str, Any]]
    """The newest alert that was held back: `message_id` and `alert`."""


class Sighting(StrEnum):
    """What a sighting means."""

    FIRST = "first"
    """The cycle begins."""
    LATE = "late"
    """The cycle begins, and its recovery has been seen already."""
    REPEAT = "repeat"
    RECOVERY = "recovery"
    EARLY_RECOVERY = "early_recovery"
    """A recovery whose firing has not been seen."""
    REPEATED_RECOVERY = "repeated_recovery"
    STALE_RECOVERY = "stale_recovery"
    """A recovery that is older than the newest firing."""


CYCLES_KEPT = 8
FLIPS_KEPT = 20


def is_firing(cycle: Cycle) -> bool:
    """Say whether the source still sees the problem of this cycle."""
    fired, recovered = cycle["fired"], cycle["recovered"]
    return fired is not None and (recovered is None or recovered < fired)


def judge(cycle: Cycle | None, status: AlertStatus, at: float, *, tolerance: float) -> Sighting:
    """Return what a sighting at data time `at` means. `tolerance`: how late a firing may be behind its recovery."""
    fired = cycle["fired"] if cycle else None
    recovered = cycle["recovered"] if cycle else None
    if status is AlertStatus.FIRING:
        if recovered is None or at > recovered:
            return Sighting.REPEAT if cycle and is_firing(cycle) else Sighting.FIRST
        return Sighting.LATE if fired is None and recovered - at <= tolerance else Sighting.REPEAT
    if recovered is not None and (fired is None or recovered >= fired):
        return Sighting.REPEATED_RECOVERY
    if fired is None:
        return Sighting.EARLY_RECOVERY
    return Sighting.STALE_RECOVERY if at < fired else Sighting.RECOVERY


def seen(cycle: Cycle | None, status: AlertStatus, at: float) -> Cycle:
    """Return the cycle after a sighting."""
    known = cycle or Cycle(fired=None, recovered=None, incident=None)
    firing = status is AlertStatus.FIRING
    fired, recovered = known["fired"], known["recovered"]
    return Cycle(
        fired=max(at, fired or at) if firing else fired,
        recovered=recovered if firing else max(at, recovered or at),
        incident=known["incident"],
    )


def newest_cycles(cycles: dict[str, Cycle]) -> dict[str, Cycle]:
    """Return the cycles worth keeping: the newest few."""
    if len(cycles) <= CYCLES_KEPT:
        return cycles
    order = sorted(cycles, key=lambda name: max(cycles[name]["fired"] or 0.0, cycles[name]["recovered"] or 0.0))
    return {name: cycles[name] for name in order[-CYCLES_KEPT:]}
