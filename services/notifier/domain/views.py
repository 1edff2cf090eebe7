"""The shapes of the API: what other programs may rely on. `docs/` and the command read exactly these."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.notifier.domain.detail import Detail, halted
from services.notifier.domain.overview import Overview
from shared.lifecycle.timeline import Told


def listed(overview: Overview) -> dict[str, Any]:
    """Return an incident as `incidents list -o json` shows it."""
    incident = overview.incident.model_dump(mode="json")
    names = ("id", "title", "stage", "severity", "services", "environment", "opened_at", "closed_at")
    return {name: incident[name] for name in names} | {
        "cause": overview.cause,
        "confidence": overview.confidence,
        "approval_id": overview.approval.id if overview.approval else None,
    }


def shown(detail: Detail) -> dict[str, Any]:
    """Return an incident as `incidents show -o json` shows it."""
    snapshot = detail.snapshot()
    gathered = snapshot.model_dump(mode="json") if snapshot else {}
    stopped = halted(detail)
    return {
        "incident": detail.overview.incident.model_dump(mode="json") if detail.overview else None,
        "alerts": list(detail.alerts.values()),
        "evidence": gathered.get("evidence", []),
        "series": gathered.get("series", []),
        "logs": gathered.get("logs", []),
        "collectors": gathered.get("collectors", []),
        "look_alikes": gathered.get("look_alikes", []),
        "diagnosis": detail.diagnosis,
        "recommendations": detail.recommendations,
        "approvals": list(detail.approvals.values()),
        "executions": list(detail.executions.values()),
        "verifications": detail.verifications,
        "decisions": list(detail.decisions.values()),
        "summary": detail.summary,
        "questions": list(detail.questions.values()),
        "verdicts": list(detail.verdicts.values()),
        "times": times(detail),
        "symptom_at": detail.symptom_at.isoformat().replace("+00:00", "Z") if detail.symptom_at else None,
        "halted": stopped.text if stopped else "",
        "timeline": [line.model_dump(mode="json") for line in detail.timeline.values()],
    }


def times(detail: Detail) -> dict[str, float | None]:
    """Return seconds to detect, to diagnose, to approve and to fix; None while it has not happened or is not known.

    To detect is from the first symptom that the diagnosis cites to the first alert, both in data time; the others are
    by the clock on the wall, from the opening or from the question.
    """
    cause = min((detail.first[name] for name in _CAUSES if name in detail.first), default=None)
    return {
        "detect": _detected(detail),
        "diagnose": _between(detail.first.get("incident.opened"), cause),
        "approve": _between(detail.first.get("approval.requested"), detail.first.get("approval.granted")),
        "fix": _between(detail.first.get("incident.opened"), detail.first.get("verification.passed")),
    }


_CAUSES = ("diagnosis.concluded", "diagnosis.inconclusive", "diagnosis.no_active_fault")


def _detected(detail: Detail) -> float | None:
    if detail.symptom_at is None or detail.started_at is None or detail.symptom_at > detail.started_at:
        return None
    return round((detail.started_at - detail.symptom_at).total_seconds(), 3)


def _between(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)


def event(told: Told) -> dict[str, Any]:
    """Return one event of the journal."""
    named = told.body.get("actor") or next(iter(told.body.get("actors") or ()), None)
    return {
        "id": told.id,
        "type": told.type,
        "time": told.time,
        "actor": named or {"kind": "automation", "id": told.source.rpartition("/")[2], "name": ""},
        "body": told.body,
        "causation": told.causation or None,
    }
