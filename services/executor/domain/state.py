"""What the executor knows of one incident. Kept as JSON between transitions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from shared.incident.actor import Actor
from shared.incident.enums import ActionStatus, ApprovalPolicyType
from shared.runbooks.plan import Plan, read_plan

ApprovalState = Literal["pending", "granted", "claimed", "rejected", "expired", "withdrawn", "superseded", "cancelled"]
Phase = Literal["checking", "waiting_permit", "held", "calling", "reconciling", "in_doubt", "verifying", "ended"]
"""`held`: nothing is under way, because of a pause, a freeze, or a park. `in_doubt`: a person must decide."""
OnExpire = Literal["expire", "escalate", "remind"]

UNSETTLED: tuple[Phase, ...] = ("calling", "reconciling", "in_doubt")
"""Phases in which nobody knows yet what became of a call."""
DONE = (ActionStatus.SUCCEEDED, ActionStatus.SKIPPED)
_TOKENS = UUID("5b0f6c0e-5d0b-5a53-9a5e-5f1e0f0f3b6d")
"""The namespace of tokens. Frozen: another one would let a call that is repeated look like a new one."""


class _State(BaseModel):
    model_config = ConfigDict(validate_assignment=False)


class Vote(_State):
    """One person's approval, as verified; `decision` and `signature` are kept to be verified again at the claim."""

    person: str
    name: str
    via: str
    decision_id: str
    reason: str = ""
    decision: str = ""
    signature: str = ""


class Proposal(_State):
    """The recommendation that is being worked on. `index`: which of its items, the best first."""

    id: str
    items: list[dict[str, Any]]
    proposer: str = ""
    """The person who proposed it; empty for the diagnoser."""
    index: int = 0
    preparing: bool = True
    awaits: str = ""
    """The activity whose result counts."""
    looked_since: float | None = None
    """When an unknown runbook digest was first looked for."""
    refusals: list[tuple[str, str, str]] = Field(default_factory=list)
    """Runbook, why, detail: the items that got no plan."""

    @property
    def runbook_id(self) -> str:
        """The runbook of the current item."""
        return str(self.items[self.index]["runbook_id"])


class Approval(_State):
    """One question, and what became of it."""

    id: str
    plan: str
    sha256: str
    policy: ApprovalPolicyType
    needed: int
    proposer: str = ""
    state: ApprovalState = "pending"
    expires_at: float
    on_expire: OnExpire = "expire"
    votes: list[Vote] = Field(default_factory=list)
    notice_resends: int = 0
    noticed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it may still lead to a claim."""
        return self.state in ("pending", "granted")

    def content(self) -> Plan:
        """Return the plan; raises RefusedError when the stored bytes are not those of the digest."""
        return _content(self.plan, self.sha256)


@lru_cache(maxsize=64)
def _content(text: str, sha256: str) -> Plan:
    """Read each plan once, not at every look: a transition has few milliseconds."""
    return read_plan(text, sha256)


class StepState(_State):
    """One step, or one rollback step, of an execution."""

    id: str
    token: str
    status: ActionStatus = ActionStatus.PENDING
    attempt: int = 0
    call_id: str = ""
    call_ends: float = 0.0
    """When the call's lease and its time limit have both ended."""
    evidence: list[str] = Field(default_factory=list)
    """What late answers said, for who has to settle a doubt."""


class Verifying(_State):
    """A verification under way. `start` and `deadline` are data time, the others wall time."""

    began: float = 0.0
    wall_deadline: float = 0.0
    start: float | None = None
    deadline: float = 0.0
    pace: float = 1.0
    read_at: float = 0.0
    reads: int = 0
    held: float = 0.0
    observed: list[str] = Field(default_factory=list)
    trouble: str = ""
    """Why the last read told nothing."""


class Cancel(_State):
    """A cancel that waits until the call in flight is settled."""

    reason: str
    actor: Actor | None = None
    decision_id: str = ""


class Execution(_State):
    """One run of an approved plan."""

    id: str
    approval_id: str
    phase: Phase = "held"
    awaits: str = ""
    """The activity or permit whose answer counts."""
    asks: int = 0
    """How much was asked for; makes each request's id its own."""
    claimed: bool = False
    paused: bool = False
    """A person paused it."""
    held: str = ""
    """Why the governor gives no permit now; said once."""
    cancel: Cancel | None = None
    deadline: float = 0.0
    before: dict[str, str] = Field(default_factory=dict)
    """What the recheck saw, until the intent takes it."""
    looked_at: float = 0.0
    """When the recheck began to look."""
    steps: list[StepState] = Field(default_factory=list)
    rolling_back: bool = False
    unverified: bool = False
    """The rollback follows a failed verification, so the next-ranked runbook may follow it."""
    undo: list[StepState] = Field(default_factory=list)
    verifying: Verifying = Field(default_factory=Verifying)

    def current(self) -> StepState | None:
        """Return the step that is being worked on, None when all have ended."""
        steps = self.undo if self.rolling_back else self.steps
        return next((step for step in steps if step.status not in DONE), None)

    def applied(self) -> list[StepState]:
        """Return the steps that changed something, in order."""
        return [step for step in self.steps if step.status is ActionStatus.SUCCEEDED]

    def new_step(self, step_id: str, *, rollback: bool = False) -> StepState:
        """Return a step with its token: the same at every call of it, and no other's."""
        name = f"{self.id}|{step_id}|{'undo' if rollback else 'do'}"
        return StepState(id=step_id, token=str(uuid5(_TOKENS, name)))


class Waiting(_State):
    """A decision about something not met yet."""

    id: str
    body: dict[str, Any]
    subject: str
    until: float


class Case(_State):
    """The state of the aggregate `incident/<id>` of the executor."""

    incident_id: str
    environment: str
    traceparent: str = ""
    parked: Literal["", "closed", "poison"] = ""
    """Why no new intent is stored: the incident was closed, or a message of it could not be decided."""
    recovered: bool = False
    proposal: Proposal | None = None
    approval: Approval | None = None
    execution: Execution | None = None
    count: int = 0
    """How many approvals were asked for; numbers them and their executions."""
    waiting: list[Waiting] = Field(default_factory=list)

    @property
    def running(self) -> Execution | None:
        """The execution that has not ended."""
        return self.execution if self.execution is not None and self.execution.phase != "ended" else None

    @property
    def is_blank(self) -> bool:
        """Whether nothing but decisions came so far."""
        return self.proposal is None and not self.count

    def _id(self, prefix: str, number: int | str) -> str:
        return f"{prefix}-{self.incident_id.removeprefix('INC-').lower()}-{number}"

    def approval_id(self) -> str:
        """Return the id of the newest approval."""
        return self._id("apr", self.count)

    def execution_id(self) -> str:
        """Return the id of the newest approval's execution."""
        return self._id("exe", self.count)

    def has_met(self, subject: str) -> bool:
        """Say whether `subject` is one of this incident's approvals or executions, over or not."""
        return any(subject in (self._id("apr", number), self._id("exe", number)) for number in range(1, self.count + 1))

    def may_meet(self, subject: str) -> bool:
        """Say whether `subject` has the form of this incident's approvals and executions: it may still come."""
        stem, _, number = subject.rpartition("-")
        return number.isdigit() and f"{stem}-" in (self._id("apr", ""), self._id("exe", ""))
