"""The words and signs that pages, posts and the terminal share. A sign never stands without its word."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifier.domain.overview import Overview
from shared.incident.enums import RiskLevel, Severity, Stage
from shared.incident.model import is_simulated
from shared.incident.numbers import percent

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

HALTED = frozenset({Stage.NEEDS_HUMAN, Stage.REJECTED, Stage.EXPIRED, Stage.FAILED, Stage.ROLLED_BACK, Stage.CANCELLED})
"""Stages in which nothing goes on by itself and no question waits."""

NEEDS_YOU = HALTED | {Stage.AWAITING_APPROVAL}
"""Stages in which nothing goes on without a person."""

OVER = frozenset({Stage.MITIGATED, Stage.RESOLVED, Stage.CLOSED})

RISKS: Mapping[RiskLevel, str] = {
    RiskLevel.NONE: "○ No risk",
    RiskLevel.LOW: "△ Low risk",
    RiskLevel.MEDIUM: "▲ Medium risk",
    RiskLevel.HIGH: "■ High risk",
}


SEVERITIES: Mapping[Severity, str] = {
    Severity.SEV1: "■ SEV1",
    Severity.SEV2: "▲ SEV2",
    Severity.SEV3: "△ SEV3",
    Severity.SEV4: "○ SEV4",
}

NO_CAUSE: Mapping[str, str] = {"inconclusive": "No cause stands out.", "no_active_fault": "Nothing is wrong now."}
"""What a diagnosis that names no cause comes to."""

DEEDS: Mapping[str, str] = {
    "approve": "approval",
    "reject": "rejection",
    "withdraw": "withdrawal",
    "cancel": "cancellation",
}
"""What a verb of a decision is called once it was said."""

_LONG = 100
"""From here on the next larger unit is used."""
_HOURS_LONG = 48


def stage(overview: Overview) -> str:
    """Return sign and word of where an incident is. What was approved waits for no person any more."""
    found = overview.incident.stage
    if found is Stage.AWAITING_APPROVAL and overview.granted:
        return "◐ approved, not begun"
    return " ".join(STAGES[found])


def cause(overview: Overview) -> str:
    """Return what the newest diagnosis says, and how sure it is if it names a cause; empty before there is one."""
    if not overview.cause:
        return ""
    if overview.diagnosis in NO_CAUSE:
        return f"{NO_CAUSE[overview.diagnosis]} {overview.cause}"
    sure = percent(overview.confidence).replace(" ", "\u00a0")
    return f"Likely ({sure}): {overview.cause}"


def urgency(overview: Overview) -> tuple[bool, str]:
    """Return what a list of incidents is sorted by: production first, then the worst; of equals the order stays."""
    return is_simulated(overview.incident.environment), overview.incident.severity.value


def severity(value: str) -> str:
    """Return sign and word of a severity."""
    return SEVERITIES[Severity(value)]


def deed(verb: str) -> str:
    """Return what a verb is called once it was said; an unknown one as it is."""
    return DEEDS.get(verb, verb)


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
    if minutes < _LONG:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < _HOURS_LONG else f"{hours / 24:.0f} days"
