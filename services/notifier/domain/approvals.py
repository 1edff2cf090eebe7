"""What becomes of the questions: the part of the detail fold about approvals and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.notifier.domain.detail import Detail, Take
from shared.events.approvals import (
    ApprovalDecisionRefused,
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    ApprovalSuperseded,
    ApprovalVoteRecorded,
    ApprovalWithdrawn,
)
from shared.events.people import DecisionSubmitted
from shared.incident.actor import Actor
from shared.lifecycle.timeline import Told
from shared.runbooks.decision import SignedDecision


def pending(detail: Detail) -> dict[str, Any] | None:
    """Return the question that waits for people."""
    return next((a for a in reversed(detail.approvals.values()) if a["state"] == "pending"), None)


def _approval_requested(payload: ApprovalRequested, detail: Detail, event: Told) -> None:
    detail.approvals.setdefault(
        payload.approval_id,
        {
            **payload.model_dump(mode="json"),
            "state": "pending",
            "requested_at": event.time,
            "decided_at": None,
            "decided_by": "",
            "votes": [],
            "reason": "",
        },
    )


def _approval_vote_recorded(payload: ApprovalVoteRecorded, detail: Detail, event: Told) -> None:
    _vote(detail, payload.approval_id, payload.actor, event, payload.decision_id)


def _approval_granted(payload: ApprovalGranted, detail: Detail, event: Told) -> None:
    for actor in payload.actors:
        _vote(detail, payload.approval_id, actor, event, payload.decision_id)
    _end(detail, payload.approval_id, "granted", event, reason=payload.reason)


def _approval_decision_refused(payload: ApprovalDecisionRefused, detail: Detail, event: Told) -> None:
    """A vote may count no more: whoever gave it has lost the role, or its key is revoked.

    A refusal that names nobody is of a record that nobody signed; such a one takes nobody's vote away.
    """
    del event
    approval = detail.approvals.get(payload.subject)
    if approval is not None and payload.actor is not None:
        approval["votes"] = [vote for vote in approval["votes"] if vote["decision_id"] != payload.decision_id]


def _approval_rejected(payload: ApprovalRejected, detail: Detail, event: Told) -> None:
    _end(detail, payload.approval_id, "rejected", event, reason=payload.reason, actor=payload.actor)


def _approval_withdrawn(payload: ApprovalWithdrawn, detail: Detail, event: Told) -> None:
    _end(detail, payload.approval_id, "withdrawn", event, reason=payload.reason, actor=payload.actor)


def _approval_superseded(payload: ApprovalSuperseded, detail: Detail, event: Told) -> None:
    _end(detail, payload.approval_id, "superseded", event, reason=payload.reason)


def _approval_expired(payload: ApprovalExpired, detail: Detail, event: Told) -> None:
    _end(detail, payload.approval_id, "expired", event)


def _decision_submitted(payload: DecisionSubmitted, detail: Detail, event: Told) -> None:
    try:
        signed = SignedDecision.model_validate_json(payload.decision)
    except ValidationError:
        return
    detail.decisions.setdefault(
        event.id,
        {
            "id": event.id,
            "verb": signed.verb,
            "subject": signed.subject,
            "person": signed.person,
            "via": signed.via,
            "at": event.time,
            "ruling": "",
            "why": "",
        },
    )


def _vote(detail: Detail, approval_id: str, actor: Actor, event: Told, decision_id: str) -> None:
    approval = detail.approvals.get(approval_id)
    if approval is not None and all(vote["actor"]["id"] != actor.id for vote in approval["votes"]):
        approval["votes"].append({"actor": actor.model_dump(mode="json"), "at": event.time, "decision_id": decision_id})


def _end(
    detail: Detail, approval_id: str, state: str, event: Told, *, reason: str = "", actor: Actor | None = None
) -> None:
    approval = detail.approvals.get(approval_id)
    if approval is not None:
        approval |= {"state": state, "decided_at": event.time, "reason": reason}
        approval["decided_by"] = actor.label if actor else ""
    for execution in detail.executions.values() if state != "granted" else ():
        if execution["approval_id"] == approval_id and execution["started_at"] is None:
            # It waited for leave; what it rested on is gone.
            execution |= {"state": "cancelled", "detail": reason or state, "finished_at": event.time}


TAKES: Mapping[str, Take] = {
    ApprovalRequested.type: _approval_requested,
    ApprovalVoteRecorded.type: _approval_vote_recorded,
    ApprovalDecisionRefused.type: _approval_decision_refused,
    ApprovalGranted.type: _approval_granted,
    ApprovalRejected.type: _approval_rejected,
    ApprovalWithdrawn.type: _approval_withdrawn,
    ApprovalSuperseded.type: _approval_superseded,
    ApprovalExpired.type: _approval_expired,
    DecisionSubmitted.type: _decision_submitted,
}
