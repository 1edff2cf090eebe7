"""What the executor says while it runs, verifies and undoes."""

from __future__ import annotations

from typing import ClassVar, Literal

from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.incident import Action, VerificationResult

EXECUTOR = "executor"


class _OfExecution(Payload):
    owner: ClassVar[str] = EXECUTOR

    execution_id: str


class ExecutionStarted(_OfExecution):
    """`execution.started`: the claim. From here expiry, recovery and supersede no longer stop the plan."""

    type: ClassVar[str] = "execution.started"

    approval_id: str
    plan_sha256: str
    steps: tuple[Action, ...]


class ExecutionPaused(_OfExecution):
    """`execution.paused`: no further step starts. It may come before the claim: then the granted approval waits."""

    type: ClassVar[str] = "execution.paused"

    approval_id: str = ""
    reason: str
    actor: Actor | None = None
    decision_id: str = ""


class ExecutionResumed(_OfExecution):
    """`execution.resumed`: steps go on. With `approval_id` it comes before the claim: nothing has begun yet."""

    type: ClassVar[str] = "execution.resumed"

    approval_id: str = ""
    reason: str = ""
    actor: Actor | None = None
    decision_id: str = ""


class ExecutionFinished(_OfExecution):
    """`execution.finished`: every step ended; `succeeded` is followed by a verification."""

    type: ClassVar[str] = "execution.finished"

    outcome: Literal["succeeded", "failed", "needs_human"]
    detail: str = ""


class ExecutionCancelled(_OfExecution):
    """`execution.cancelled`: stopped before the next call, by a person, the governor or the recheck.

    It may come before the claim: then nothing of what was approved ran.
    """

    type: ClassVar[str] = "execution.cancelled"

    approval_id: str = ""
    reason: str
    actor: Actor | None = None
    decision_id: str = ""


class _OfStep(_OfExecution):
    step_id: str
    name: str = ""
    rollback: bool = False


class StepStarted(_OfStep):
    """`step.started`: the intent is stored, the call is about to leave. `token` makes a repeat harmless."""

    type: ClassVar[str] = "step.started"

    uses: str
    target: str
    token: str
    attempt: int = 1
    before: dict[str, str] = {}  # noqa: RUF012 -- pydantic copies the default for each instance


class StepSucceeded(_OfStep):
    """`step.succeeded`: the vendor said it was done."""

    type: ClassVar[str] = "step.succeeded"

    detail: str = ""


class StepFailed(_OfStep):
    """`step.failed`: the vendor proved that nothing was done."""

    type: ClassVar[str] = "step.failed"

    why: str
    detail: str = ""


class StepUnknown(_OfStep):
    """`step.unknown`: the call may or may not have been applied. Never retried blindly."""

    type: ClassVar[str] = "step.unknown"

    why: str
    detail: str = ""


class StepReconciled(_OfStep):
    """`step.reconciled`: the vendor's own record settled a doubt, or did not."""

    type: ClassVar[str] = "step.reconciled"

    outcome: Literal["succeeded", "not_applied", "needs_human"]
    detail: str = ""


class StepSkipped(_OfStep):
    """`step.skipped`: a person or an earlier failure left it out."""

    type: ClassVar[str] = "step.skipped"

    reason: str
    actor: Actor | None = None
    decision_id: str = ""


class _Verified(_OfExecution):
    result: VerificationResult


class VerificationPassed(_Verified):
    """`verification.passed`: the condition held for its time before the data deadline."""

    type: ClassVar[str] = "verification.passed"


class VerificationFailed(_Verified):
    """`verification.failed`: data reach the deadline and the condition did not hold."""

    type: ClassVar[str] = "verification.failed"


class VerificationUnknown(_Verified):
    """`verification.unknown`: there were no data to judge by."""

    type: ClassVar[str] = "verification.unknown"


class RollbackStarted(_OfExecution):
    """`rollback.started`: the declared, approved undo begins."""

    type: ClassVar[str] = "rollback.started"

    reason: str


class RollbackFinished(_OfExecution):
    """`rollback.finished`: the undo ended."""

    type: ClassVar[str] = "rollback.finished"

    outcome: Literal["succeeded", "failed", "needs_human"]
    detail: str = ""


class HandoffRequested(Payload):
    """`handoff.requested`: a person must take over, with everything learnt so far."""

    type: ClassVar[str] = "handoff.requested"
    owner: ClassVar[str] = EXECUTOR

    why: str
    detail: str = ""
    execution_id: str | None = None
    approval_id: str | None = None
