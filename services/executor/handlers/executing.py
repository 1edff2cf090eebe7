"""From the granted approval to the last step: one step after the other, each looked at, allowed, called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.executor.domain.ruling import No
from services.executor.domain.state import Approval, Execution, StepState
from services.executor.domain.work import LOOK_LASTS
from services.executor.handlers import asking, ending, stepping, verifying
from services.executor.handlers.doubting import doubt
from services.executor.handlers.turn import Turn
from shared.events.executions import StepFailed, StepSucceeded
from shared.incident.enums import ActionStatus, ApprovalPolicyType


def begin(turn: Turn, approval: Approval) -> None:
    """Prepare to run a granted plan. Nothing is claimed yet."""
    execution = Execution(id=turn.case.execution_id(), approval_id=approval.id)
    execution.steps = [execution.new_step(step.id) for step in turn.plan.steps]
    turn.case.execution = execution
    advance(turn, execution)


def advance(turn: Turn, execution: Execution) -> None:
    """Go on with the step that is next, or with what follows the last one."""
    step = execution.current()
    if step is not None and execution.cancel is not None:
        ending.cancel_as_asked(turn, execution, execution.cancel)
    elif step is not None and execution.claimed and turn.now >= execution.deadline:
        ending.overdue(turn, execution)
    elif step is not None:
        stepping.check(turn, execution, step)
    elif execution.rolling_back:
        ending.undone(turn, execution)
    elif not execution.applied():
        ending.cancel(turn, execution, "every step was skipped")
    else:
        verifying.begin(turn, execution)


def rechecked(turn: Turn, execution: Execution, result: dict[str, Any]) -> None:
    """Ask for leave, or stop: a step goes on as approved or not at all."""
    step = execution.current()
    if step is None:
        return
    if "error" in result:
        result = {"ok": False, "why": result["error"]["reason"], "detail": result["error"]["detail"]}
    if result["ok"]:
        execution.looked_at = result.get("read_at", turn.now)
        stepping.ask_leave(turn, execution, step, result["before"])
    else:
        ending.cancel(turn, execution, f"before {step.id}: {result['why']}: {result['detail']}"[:1000])


def granted(turn: Turn) -> None:
    """Use a permit, or hand it back when it is no longer good or no longer wanted."""
    body, execution = turn.message.body, turn.case.running
    permit = body["permit"]
    if execution is None or execution.phase != "waiting_permit" or execution.awaits != permit:
        stepping.hand_back(turn, permit)
        return
    step = execution.current()
    is_late = turn.now >= body["ends"] or turn.now > execution.looked_at + LOOK_LASTS
    if step is None or is_late or not _may_go_on(turn, execution):
        stepping.hand_back(turn, permit)
        if turn.case.running is not None:
            advance(turn, execution)
        return
    lapsed = "" if execution.claimed else _lapsed(turn)
    if lapsed:
        ending.cancel(turn, execution, lapsed)
        return
    stepping.start(turn, execution, step)


def _lapsed(turn: Turn) -> str:
    """Return why what people approved counts no more at the claim; empty when all of it stands."""
    approval, plan = turn.case.approval, turn.plan
    votes = approval.votes if approval else []
    gone = [no for vote in votes if (no := turn.lapsed(vote)) is not None]
    asked = turn.config.policy.of(
        plan.runbook_id, plan.targets, turn.case.environment, plan.risk, approval.needed if approval else 1
    )
    have = len({vote.person for vote in votes})
    if asked.policy is ApprovalPolicyType.FORBID:
        gone.append(No("forbidden", f"by the rule {asked.rule!r} of the policy"))
    elif have < asked.needed:
        gone.append(No("policy", f"{have} of {asked.needed} people approved, by the rule {asked.rule!r}"))
    return "; ".join(f"{no.why}: {no.detail}" for no in gone)


def _may_go_on(turn: Turn, execution: Execution) -> bool:
    """Judge a permit on arrival: the approval must be good at the claim, the deadline after it."""
    approval = turn.case.approval
    if execution.claimed:
        return turn.now < execution.deadline
    asking.expired(turn)
    return approval is not None and approval.id == execution.approval_id and approval.state == "granted"


def refused(turn: Turn) -> None:
    """Ask again when the governor says so, or stop when it says never."""
    body, execution = turn.message.body, turn.case.running
    if execution is None or execution.phase != "waiting_permit" or execution.awaits != body["permit"]:
        return
    if body["retry_at"] is None:
        ending.cancel(turn, execution, str(body["reason"]))
    else:
        stepping.wait_for_leave(turn, execution, str(body["reason"]), float(body["retry_at"]))


def on_retry(turn: Turn) -> None:
    """The governor may say yes now; what was looked at is old by now, so look again."""
    execution = turn.case.running
    if execution is not None and execution.phase == "held" and execution.held and not execution.paused:
        advance(turn, execution)


def on_deadline(turn: Turn) -> None:
    """End what has not ended; what is in doubt stays in doubt, and verification is only reading."""
    execution = turn.case.running
    if execution is None or turn.now < execution.deadline:
        return
    if execution.phase in ("checking", "waiting_permit", "held"):
        ending.overdue(turn, execution)


def called(turn: Turn, execution: Execution, step: StepState, result: Mapping[str, Any]) -> None:
    """Take how a call ended. An error is proof that it was not made; what is not understood is a doubt."""
    error = result.get("error")
    outcome, detail = result.get("outcome"), str(result.get("detail", ""))
    if error is not None:
        failed(turn, execution, step, str(error["reason"]), str(error["detail"]))
    elif outcome == "succeeded":
        succeeded(turn, execution, step, detail)
    elif outcome == "failed_safe":
        failed(turn, execution, step, "refused", detail)
    else:
        doubt(turn, execution, step, "unknown", detail)


def succeeded(turn: Turn, execution: Execution, step: StepState, detail: str) -> None:
    """Go on after a step that was done."""
    step.status = ActionStatus.SUCCEEDED
    turn.emit(StepSucceeded(**stepping.facts_of(turn, execution, step), detail=detail[:1000]))
    advance(turn, execution)


def failed(turn: Turn, execution: Execution, step: StepState, why: str, detail: str) -> None:
    """Stop at a step of which nothing was done."""
    step.status = ActionStatus.FAILED_SAFE
    turn.emit(StepFailed(**stepping.facts_of(turn, execution, step), why=why, detail=detail[:1000]))
    turn.audit("failed_safe", execution=execution.id, step=step.id, why=why)
    if execution.cancel is not None:
        ending.cancel_as_asked(turn, execution, execution.cancel)
    else:
        ending.fail(turn, execution, f"{stepping.call_of(turn, execution, step).name}: {detail or why}"[:1000])
