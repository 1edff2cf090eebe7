"""Up to a step's call: look again, ask for leave, store the intent. The intent commits before any byte goes out."""

from __future__ import annotations

from typing import Any

from services.executor.domain.state import Execution, StepState
from services.executor.domain.work import BEGIN_WITHIN, CALL, LEASE_MARGIN, RECHECK
from services.executor.handlers.asking import EXPIRY, NOTICE, REMIND
from services.executor.handlers.governor import ASK, BACK
from services.executor.handlers.turn import Turn
from shared.events.executions import ExecutionPaused, ExecutionResumed, ExecutionStarted, StepStarted
from shared.incident.enums import ActionStatus
from shared.runbooks.plan import PlannedStep, PlannedUndo
from shared.store.model import Activity

RETRY, DEADLINE = "retry", "deadline"


def planned(turn: Turn, step: StepState) -> PlannedStep:
    """Return the step as people approved it."""
    return next(one for one in turn.plan.steps if one.id == step.id)


def call_of(turn: Turn, execution: Execution, step: StepState) -> PlannedStep | PlannedUndo:
    """Return what is called for a step: itself, or its declared undo."""
    one = planned(turn, step)
    return one.rollback if execution.rolling_back and one.rollback is not None else one


def facts_of(turn: Turn, execution: Execution, step: StepState) -> dict[str, Any]:
    """Return what each event about a step says of it: its execution, itself, and what is called."""
    return {
        "execution_id": execution.id,
        "step_id": step.id,
        "name": call_of(turn, execution, step).name,
        "rollback": execution.rolling_back,
    }


def request_id(execution: Execution, step: StepState, what: str) -> str:
    """Return the id of one more request for a step."""
    execution.asks += 1
    return f"{execution.id}:{step.id}{':undo' if execution.rolling_back else ''}:{what}:{execution.asks}"


def check(turn: Turn, execution: Execution, step: StepState) -> None:
    """Look whether a step may still go on as approved, unless nothing may begin now."""
    if turn.case.parked or execution.paused:
        hold(turn, execution)
        return
    execution.phase, step.status = "checking", ActionStatus.RECHECKING
    execution.awaits = turn.read(
        RECHECK,
        request_id(execution, step, "recheck"),
        execution_id=execution.id,
        step_id=step.id,
        rollback=execution.rolling_back,
        claimed=execution.claimed,
        plan=turn.case.approval.plan if turn.case.approval else "",
        plan_sha256=turn.case.approval.sha256 if turn.case.approval else "",
    )


def hold(turn: Turn, execution: Execution) -> None:
    """Begin nothing more; a permit that is on its way will be handed back."""
    execution.phase, execution.awaits = "held", ""
    turn.timer(RETRY, None)


def ask_leave(turn: Turn, execution: Execution, step: StepState, before: dict[str, str]) -> None:
    """Ask the governor for one step."""
    execution.phase, step.status = "waiting_permit", ActionStatus.AWAITING_PERMIT
    execution.before = before
    execution.awaits = turn.ask_governor(
        ASK,
        request_id(execution, step, "permit"),
        execution=execution.id,
        step=step.id,
        targets=list(turn.plan.targets),
        rollback=execution.rolling_back,
    )


def hand_back(turn: Turn, permit: str) -> None:
    """Return a permit that is not used."""
    turn.ask_governor(BACK, f"{permit}:back", permit=permit)


def wait_for_leave(turn: Turn, execution: Execution, reason: str, retry_at: float) -> None:
    """Ask again later; said once, however often the governor refuses."""
    hold(turn, execution)
    turn.timer_at(RETRY, retry_at)
    if not execution.held:
        turn.emit(ExecutionPaused(execution_id=execution.id, approval_id=execution.approval_id, reason=reason))
    execution.held = reason


def start(turn: Turn, execution: Execution, step: StepState) -> None:
    """Store the intent and start the call, in the commit that says so. The first one is the claim."""
    if not execution.claimed:
        _claim(turn, execution)
    elif execution.held:
        turn.emit(ExecutionResumed(execution_id=execution.id, reason="the governor gives leave again"))
    execution.held = ""
    one, call = planned(turn, step), call_of(turn, execution, step)
    limit = float(call.timeout_seconds)
    step.attempt += 1
    step.status, execution.phase, execution.awaits = ActionStatus.CALLING, "calling", ""
    step.call_id = f"{turn.case.incident_id}:{request_id(execution, step, 'call')}"
    step.call_ends = turn.now + limit + LEASE_MARGIN
    before, execution.before = execution.before, {}
    args: dict[str, Any] = {
        "environment": turn.case.environment,
        "incident_id": turn.case.incident_id,
        "execution_id": execution.id,
        "step_id": step.id,
        "rollback": execution.rolling_back,
        "verb": call.uses,
        "target": call.target,
        "arguments": dict(call.arguments),
        "token": step.token,
        "limit": limit,
        "begin_by": min(turn.now + BEGIN_WITHIN, execution.deadline),
    }
    turn.decision.activities.append(Activity(step.call_id, CALL, args, kind="once", lease=limit + LEASE_MARGIN))
    turn.emit(
        StepStarted(
            **facts_of(turn, execution, step),
            uses=call.uses,
            target=call.target,
            token=step.token,
            attempt=step.attempt,
            before=before,
        )
    )
    turn.audit("intent", execution=execution.id, step=one.id, token=step.token, attempt=step.attempt)


def _claim(turn: Turn, execution: Execution) -> None:
    approval, plan = turn.case.approval, turn.plan
    if approval is None:
        return
    approval.state, execution.claimed = "claimed", True
    execution.deadline = turn.now + plan.deadline_seconds
    turn.no_timers(EXPIRY, REMIND, NOTICE)
    turn.timer_at(DEADLINE, execution.deadline)
    turn.emit(
        ExecutionStarted(
            execution_id=execution.id,
            approval_id=approval.id,
            plan_sha256=approval.sha256,
            steps=plan.actions(),
        )
    )
    turn.audit("claimed", approval=approval.id, execution=execution.id, plan_sha256=approval.sha256)
