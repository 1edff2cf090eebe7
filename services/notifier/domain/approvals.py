"""What becomes of the questions: the part of the detail fold about approvals and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from services.notifier.domain.detail import Detail, Take
from shared.events.approvals import (
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
    _vote(detail, payload.approval_id, payload.actor, event)


def _approval_granted(payload: ApprovalGranted, detail: Detail, event: Told) -> None:
    for actor in payload.actors:
        _vote(detail, payload.approval_id, actor, event)
    _end(detail, payload.approval_id, "granted", event, reason=payload.reason)


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


def _vote(detail: Detail, approval_id: str, actor: Actor, event: Told) -> None:
    approval = detail.approvals.get(approval_id)
    if approval is not None and all(vote["actor"]["id"] != actor.id for vote in approval["votes"]):
        approval["votes"].append({"actor": actor.model_dump(mode="json"), "at": event.time})


def _end(
    detail: Detail, approval_id: str, state: str, event: Told, *, reason: str = "", actor: Actor | None = None
) -> None:
    approval = detail.approvals.get(approval_id)
    if approval is not None:
        approval |= {"state": state, "decided_at": event.time, "reason": reason}
        approval["decided_by"] = actor.label if actor else ""


TAKES: Mapping[str, Take] = {
    ApprovalRequested.type: _approval_requested,
    ApprovalVoteRecorded.type: _approval_vote_recorded,
    ApprovalGranted.type: _approval_granted,
    ApprovalRejected.type: _approval_rejected,
    ApprovalWithdrawn.type: _approval_withdrawn,
    ApprovalSuperseded.type: _approval_superseded,
    ApprovalExpired.type: _approval_expired,
    DecisionSubmitted.type: _decision_submitted,
}
