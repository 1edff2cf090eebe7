"""The list's view of an incident: a fold over its events. `FOLD` names the rules; another number rebuilds all rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import AwareDatetime, ValidationError

from services.notifier.domain.headline import headline
from shared.incident.enums import RiskLevel, Stage
from shared.incident.incident import Incident
from shared.incident.model import IncidentId, Model
from shared.lifecycle.stage import Progress, advance
from shared.lifecycle.timeline import Told

FOLD = 5


class PendingApproval(Model):
    """The question that waits for people."""

    id: str
    title: str
    risk: RiskLevel
    reversible: bool = False
    expires_at: AwareDatetime
    impact: str = ""


class Overview(Model):
    """What the list, a post and the API's list say of one incident."""

    incident: Incident
    recovered: bool = False
    cause: str = ""
    """What the newest diagnosis states; whether that is a cause, `diagnosis` says."""
    diagnosis: str = ""
    """The status of the newest diagnosis."""
    confidence: float = 0.0
    proposal: str = ""
    approval: PendingApproval | None = None
    reminded: str = ""
    """That nobody has answered the newest question yet, and whose turn it is then."""
    granted: bool = False
    """The newest question was answered with yes."""
    verified: str = ""
    """The newest verification's outcome with what was read last."""
    updated_at: AwareDatetime


Change = Mapping[str, Any]


def apply(overview: Overview | None, event: Told, *, incident_id: str, environment: str) -> Overview | None:
    """Return the overview after one event; None before `incident.opened`.

    Total: what a newer version or a forged record says in an unreadable way moves at most the stage.
    """
    if overview is None:
        return _opened(event, incident_id, environment) if event.type == "incident.opened" else None
    before = Progress(overview.incident.stage, overview.recovered)
    after = advance(before, event.type, event.body)
    incident: dict[str, Any] = {"stage": after.stage}
    if event.type == "incident.closed":
        incident["closed_at"] = event.time
    elif after.stage is not Stage.CLOSED:
        incident["closed_at"] = None
    change: dict[str, Any] = {"recovered": after.recovered, "updated_at": event.time}
    told = _CHANGES.get(event.type)
    try:
        said = dict(told(event.body)) if told else {}
        incident |= said.pop("incident", {})
        return Overview.model_validate(
            {**dict(overview), **change, **said, "incident": {**dict(overview.incident), **incident}}
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        moved = overview.incident.model_copy(update={"stage": after.stage})
        return overview.model_copy(update={"incident": moved, "recovered": after.recovered})


def _opened(event: Told, incident_id: str, environment: str) -> Overview | None:
    body = event.body
    try:
        return Overview.model_validate(
            {
                "incident": {
                    "id": IncidentId(incident_id),
                    "title": body["title"],
                    "environment": environment,
                    "severity": body["severity"],
                    "services": body.get("services", ()),
                    "opened_at": event.time,
                    "alert_count": 1,
                },
                "updated_at": event.time,
            }
        )
    except (KeyError, ValidationError):
        return None


def _of_incident(**names: str) -> Callable[[Mapping[str, Any]], Change]:
    """Take fields of the body as fields of the incident."""

    def change(body: Mapping[str, Any]) -> Change:
        return {"incident": {field: body[name] for field, name in names.items()}}

    return change


def _attached(body: Mapping[str, Any]) -> Change:
    services = {"services": body["services"]} if body.get("services") else {}
    return {"incident": {"alert_count": body["total"], **services}}


def _diagnosed(body: Mapping[str, Any]) -> Change:
    result = body["result"]
    return {"cause": result["statement"], "confidence": result["confidence"], "diagnosis": result["status"]}


def _asked(body: Mapping[str, Any]) -> Change:
    title = headline(body)
    return {
        "proposal": title,
        "granted": False,
        "verified": "",
        "reminded": "",
        "approval": {
            "id": body["approval_id"],
            "title": title,
            "risk": body["risk"],
            "reversible": body.get("reversible", False),
            "expires_at": body["expires_at"],
            "impact": body.get("impact", ""),
        },
    }


def _proposed(body: Mapping[str, Any]) -> Change:
    items = body["recommendations"]["items"]
    return {"proposal": items[0]["title"] if items else ""}


def _verified(word: str) -> Callable[[Mapping[str, Any]], Change]:
    def change(body: Mapping[str, Any]) -> Change:
        observed = body["result"].get("observed") or ("",)
        read = f", read {observed[-1]}" if observed[-1] else ""
        return {"verified": f"{word}: {body['result']['check']}{read}"}

    return change


def _escalated(body: Mapping[str, Any]) -> Change:
    return {
        "reminded": f"Nobody has answered yet; escalated to {', '.join(body['to']) or 'nobody, as none has the role'}"
    }


def _no_question(_: Mapping[str, Any]) -> Change:
    return {"approval": None, "granted": False}


def _granted(_: Mapping[str, Any]) -> Change:
    return {"approval": None, "granted": True}


_CHANGES: Mapping[str, Callable[[Mapping[str, Any]], Change]] = {
    "incident.alerts_attached": _attached,
    "incident.severity_raised": _of_incident(severity="severity"),
    "incident.classified": _of_incident(category="category"),
    "incident.reopened": lambda _: {"verified": ""},
    "incident.acknowledged": lambda b: {"incident": {"acknowledged_by": b["actor"]["id"]}},
    "incident.assigned": _of_incident(assigned_to="assignee"),
    "diagnosis.concluded": _diagnosed,
    "diagnosis.inconclusive": _diagnosed,
    "diagnosis.no_active_fault": _diagnosed,
    "recommendation.made": _proposed,
    "approval.requested": _asked,
    "approval.reminded": lambda _: {"reminded": "Nobody has answered yet"},
    "approval.escalated": _escalated,
    "approval.granted": _granted,
    "approval.rejected": _no_question,
    "approval.expired": _no_question,
    "approval.withdrawn": _no_question,
    "approval.superseded": _no_question,
    "verification.passed": _verified("passed"),
    "verification.failed": _verified("failed"),
    "verification.unknown": _verified("no data"),
}
