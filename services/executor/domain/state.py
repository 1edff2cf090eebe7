"""What the executor knows of one incident. Kept as JSON between transitions."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.incident.enums import ActionStatus, ApprovalPolicyType
from shared.runbooks.plan import Plan, read_plan

ApprovalState = Literal["pending", "granted", "claimed", "rejected", "expired", "withdrawn", "superseded", "cancelled"]
Phase = Literal["checking", "waiting_permit", "calling", "reconciling", "in_doubt", "verifying", "ended"]


class _State(BaseModel):
    model_config = ConfigDict(validate_assignment=False)


class Vote(_State):
    """One person's approval, as verified."""

    person: str
    name: str
    via: str
    decision_id: str
    reason: str = ""


class Proposal(_State):
    """The recommendation that is being worked on. `index`: which of its items, the best first."""

    id: str
    event_id: str
    items: list[dict[str, Any]]
    index: int = 0
    preparing: bool = True
    looked_since: float | None = None
    """When an unknown runbook digest was first looked for."""


class Approval(_State):
    """One question, and what became of it."""

    id: str
    plan: str
    sha256: str
    policy: ApprovalPolicyType
    needed: int
    state: ApprovalState = "pending"
    expires_at: float
    votes: list[Vote] = Field(default_factory=list)
    notice_resends: int = 0
    noticed: bool = False

    def content(self) -> Plan:
        """Return the plan; raises RefusedError when the stored bytes are not those of the digest."""
        return read_plan(self.plan, self.sha256)


class StepState(_State):
    """One step, or one rollback step, of an execution."""

    id: str
    token: str
    status: ActionStatus = ActionStatus.PENDING
    attempt: int = 0
    rollback: bool = False
    call_id: str = ""
    call_ends: float = 0.0
    """When the call's lease and its time limit have both ended."""


class Verifying(_State):
    """A verification under way; `start` and `deadline` are data time."""

    attempt: int = 0
    start: float | None = None
    deadline: float | None = None
    wall_deadline: float | None = None
    pace: float = 1.0
    observed: list[str] = Field(default_factory=list)


class Execution(_State):
    """One run of an approved plan."""

    id: str
    approval_id: str
    phase: Phase = "checking"
    rolling_back: bool = False
    claimed: bool = False
    paused: bool = False
    cancel: dict[str, Any] | None = None
    """A cancel that waits for the call in flight."""
    deadline: float = 0.0
    steps: list[StepState] = Field(default_factory=list)
    undo: list[StepState] = Field(default_factory=list)
    asks: int = 0
    """How often a permit was asked for; makes each request's id its own."""
    verifying: Verifying = Field(default_factory=Verifying)

    def current(self) -> StepState | None:
        """Return the step that is being worked on, None when all have ended."""
        done = (ActionStatus.SUCCEEDED, ActionStatus.SKIPPED)
        return next(
            (step for step in (self.undo if self.rolling_back else self.steps) if step.status not in done), None
        )


class Case(_State):
    """The state of the aggregate `incident/<id>` of the executor."""

    incident_id: str
    environment: str
    parked: bool = False
    recovered: bool = False
    proposal: Proposal | None = None
    approval: Approval | None = None
    execution: Execution | None = None
    count: int = 0
    """How many approvals were asked for; numbers them."""
    waiting: list[dict[str, Any]] = Field(default_factory=list)
    """Decisions about something not met yet, with the time they came."""
    answers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Recommendation id -> the event that answered it, for a resend."""
