"""What the executor says about plans and approvals."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.enums import ApprovalPolicyType, RiskLevel
from shared.incident.model import Model

EXECUTOR = "executor"


class PlanRefused(Payload):
    """`plan.refused`: no plan for this recommendation, with a stable reason (`no_actuator`, `precondition`...)."""

    type: ClassVar[str] = "plan.refused"
    owner: ClassVar[str] = EXECUTOR

    recommendation_id: str
    runbook_id: str
    why: str
    detail: str = ""


class Clause(Model):
    """One precondition as it was read: one line of evidence above the button."""

    text: str
    holds: bool
    value: str = ""


class ApprovalRequested(Payload):
    """`approval.requested`: the question.

    `plan` is the RFC 8785 text that will run; `plan_sha256` is the digest of exactly its UTF-8 bytes. Page and executor
    both hash `plan`; nothing outside it is executed.
    """

    type: ClassVar[str] = "approval.requested"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    recommendation_id: str
    runbook_id: str
    title: str
    plan: str
    plan_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    policy: ApprovalPolicyType
    needed: int = Field(ge=1)
    risk: RiskLevel
    reversible: bool
    impact: str = ""
    why: tuple[str, ...] = ()
    """Findings and rationale, one line each."""
    clauses: tuple[Clause, ...] = ()
    expected_effect: str = ""
    confidence: float = 0.0
    expires_at: AwareDatetime


class ApprovalReminded(Payload):
    """`approval.reminded`: nobody has answered yet."""

    type: ClassVar[str] = "approval.reminded"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str


class ApprovalEscalated(Payload):
    """`approval.escalated`: the next level is told."""

    type: ClassVar[str] = "approval.escalated"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    to: tuple[str, ...] = ()


class SignedWords(Model):
    """What a person signed, verbatim, so that whoever reads a ruling can see that it rests on it."""

    decision: str
    signature: str


class ApprovalVoteRecorded(Payload):
    """`approval.vote_recorded`: one of several needed people approved."""

    type: ClassVar[str] = "approval.vote_recorded"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    actor: Actor
    via: str
    decision_id: str
    have: int
    needed: int
    signed: tuple[SignedWords, ...] = ()


class ApprovalDecisionRefused(Payload):
    """`approval.decision_refused`: the executor does not accept a decision; `why` is stable (`expired`, `role`...)."""

    type: ClassVar[str] = "approval.decision_refused"
    owner: ClassVar[str] = EXECUTOR

    subject: str
    decision_id: str
    verb: str
    why: str
    detail: str = ""
    actor: Actor | None = None


class ApprovalGranted(Payload):
    """`approval.granted`: enough people approved exactly `plan_sha256`, in time."""

    type: ClassVar[str] = "approval.granted"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    plan_sha256: str
    actors: tuple[Actor, ...]
    via: str
    decision_id: str
    reason: str = ""
    signed: tuple[SignedWords, ...] = ()


class ApprovalRejected(Payload):
    """`approval.rejected`: a person said no."""

    type: ClassVar[str] = "approval.rejected"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    actor: Actor
    via: str
    decision_id: str
    reason: str = ""
    signed: tuple[SignedWords, ...] = ()


class ApprovalExpired(Payload):
    """`approval.expired`: nobody answered in time; nothing runs."""

    type: ClassVar[str] = "approval.expired"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str


class ApprovalWithdrawn(Payload):
    """`approval.withdrawn`: the question is taken back, by a person or because the source recovered."""

    type: ClassVar[str] = "approval.withdrawn"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    reason: str
    actor: Actor | None = None
    decision_id: str = ""


class ApprovalSuperseded(Payload):
    """`approval.superseded`: the recommendation changed; a new question may follow."""

    type: ClassVar[str] = "approval.superseded"
    owner: ClassVar[str] = EXECUTOR

    approval_id: str
    reason: str
