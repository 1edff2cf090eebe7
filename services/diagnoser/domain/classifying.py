"""What kind of trouble it is, how bad it is and who feels it: by code, from what was measured. Pure.

A category once known stays until evidence names another: not to know is no reason to forget. A severity is what the
source says; it is raised when many feel it, and never lowered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.diagnoser.domain.finding_out import Conclusion
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.enums import IncidentCategory, Severity
from shared.incident.evidence import Evidence

FELT = frozenset({"errors", "latency", "restarts"})
"""Channels in which users and callers feel that something is wrong."""
WIDE = 3
"""Services that feel it from which on it is at least as bad as `WIDE_SEVERITY`."""
WIDE_SEVERITY = Severity.SEV2
AFFECTED_MAX = 20
NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Classification:
    """What an incident is, and why its severity is another than before; empty when it is the same."""

    category: IncidentCategory
    severity: Severity
    why_raised: str = ""


def classify(result: DiagnosticResult, category: IncidentCategory, severity: Severity) -> Classification:
    """Return what a conclusion makes of an incident that was of this category and severity."""
    if result.status == "diagnosed":
        category = result.category
    is_wide = result.status != "no_active_fault" and len(result.affected) >= WIDE
    if not is_wide or severity.rank <= WIDE_SEVERITY.rank:
        return Classification(category, severity)
    named = ", ".join(result.affected[:NAMED_MAX])
    more = len(result.affected) - NAMED_MAX
    told = f"{len(result.affected)} services feel it: {named}" + (f" and {more} more" if more else "")
    return Classification(category, WIDE_SEVERITY, told)


def affected(evidence: Iterable[Evidence], kinds: Mapping[str, str], services: Sequence[str]) -> tuple[str, ...]:
    """Return the services at which it is felt now, those of the incident first; of what nobody measured, none."""
    felt = {item.entity for item in evidence if item.kind == "metric" and item.active_now and item.channel in FELT}
    found = [name for name in felt if kinds.get(name) == "service"]
    return tuple(sorted(found, key=lambda name: (name not in services, name))[:AFFECTED_MAX])


def with_affected(conclusion: Conclusion, kinds: Mapping[str, str], services: Sequence[str]) -> Conclusion:
    """Return a conclusion that says who feels it."""
    found = affected(conclusion.evidence, kinds, services)
    return conclusion.model_copy(update={"result": conclusion.result.model_copy(update={"affected": found})})
