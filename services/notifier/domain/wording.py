"""The words and signs that pages, posts and the terminal share. A sign never stands without its word."""

from __future__ import annotations

from collections.abc import Mapping

from shared.incident.enums import RiskLevel, Stage

STAGES: Mapping[Stage, tuple[str, str]] = {
    Stage.OPEN: ("○", "open"),
    Stage.INVESTIGATING: ("◐", "investigating"),
    Stage.RECOMMENDED: ("◐", "preparing a plan"),
    Stage.AWAITING_APPROVAL: ("●", "waits for approval"),
    Stage.EXECUTING: ("▶", "executing"),
    Stage.VERIFYING: ("▶", "verifying"),
    Stage.MITIGATED: ("✓", "mitigated"),
    Stage.RESOLVED: ("✓", "resolved"),
    Stage.CLOSED: ("✓", "closed"),
    Stage.NEEDS_HUMAN: ("!", "needs a person"),
    Stage.REJECTED: ("✕", "rejected"),
    Stage.EXPIRED: ("✕", "approval expired"),
    Stage.FAILED: ("!", "failed"),
    Stage.ROLLED_BACK: ("↺", "rolled back"),
    Stage.CANCELLED: ("✕", "cancelled"),
}

NEEDS_YOU = frozenset(
    {
        Stage.AWAITING_APPROVAL,
        Stage.NEEDS_HUMAN,
        Stage.REJECTED,
        Stage.EXPIRED,
        Stage.FAILED,
        Stage.ROLLED_BACK,
        Stage.CANCELLED,
    }
)
"""Stages in which nothing goes on without a person."""

OVER = frozenset({Stage.MITIGATED, Stage.RESOLVED, Stage.CLOSED})

RISKS: Mapping[RiskLevel, str] = {
    RiskLevel.NONE: "○ No risk",
    RiskLevel.LOW: "△ Low risk",
    RiskLevel.MEDIUM: "▲ Medium risk",
    RiskLevel.HIGH: "■ High risk",
}


_LONG = 100
"""From here on the next larger unit is used."""


def stage(value: str) -> str:
    """Return sign and word of a stage."""
    return " ".join(STAGES[Stage(value)])


def risk(value: str) -> str:
    """Return sign and word of a risk."""
    return RISKS[RiskLevel(value)]


def duration(seconds: float | None) -> str:
    """Return a length of time as people say it; a dash when there is none."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return "under 1 s"
    if seconds < _LONG:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < _LONG else f"{minutes / 60:.1f} h"
