"""How an execution ends, and what follows: the declared undo, the next-ranked runbook, or a person."""

from __future__ import annotations

from services.executor.domain.state import Cancel, Execution, StepState
from services.executor.handlers import asking, stepping
from services.executor.handlers.governor import ENDED
from services.executor.handlers.planning import try_next
from services.executor.handlers.turn import Turn
from shared.events.executions import (
    ExecutionCancelled,
    ExecutionFinished,
    RollbackFinished,
    RollbackStarted,
)
from shared.incident.actor import Actor

VERIFY, VERIFY_END = "verify", "verify_end"


def end(turn: Turn, execution: Execution) -> None:
    """Release what the execution held: only here, in the commit that ends it."""
    execution.phase, execution.awaits = "ended", ""
    turn.no_timers(stepping.RETRY, stepping.DEADLINE, VERIFY, VERIFY_END)
    changed = any(step.attempt for step in execution.steps)
    turn.ask_governor(ENDED, f"{execution.id}:ended", execution=execution.id, changed=changed)
    turn.audit("execution_ended", execution=execution.id)


def cancel(turn: Turn, execution: Execution, reason: str, actor: Actor | None = None, decision_id: str = "") -> None:
    """Stop before the next call."""
    if execution.rolling_back:
        _rollback_stopped(turn, execution, reason)
        return
    turn.emit(
        ExecutionCancelled(
            execution_id=execution.id,
            approval_id=execution.approval_id,
            reason=reason,
            actor=actor,
            decision_id=decision_id,
        )
    )
    if not execution.claimed and turn.case.approval is not None:
        asking.close(turn, turn.case.approval, "cancelled", reason)
        return
    end(turn, execution)
    if execution.applied():
        turn.hand_off("stopped_halfway", f"{_so_far(turn, execution)}; {reason}")


def cancel_as_asked(turn: Turn, execution: Execution, asked: Cancel) -> None:
    """Do what a cancel asked for that had to wait."""
    cancel(turn, execution, asked.reason, asked.actor, asked.decision_id)


def fail(turn: Turn, execution: Execution, reason: str) -> None:
    """End after a step that was refused by what it calls: nothing of it was done, so undo the steps before it."""
    if execution.rolling_back:
        turn.emit(RollbackFinished(execution_id=execution.id, outcome="failed", detail=reason))
        end(turn, execution)
        turn.hand_off("rollback_failed", reason)
        return
    turn.emit(ExecutionFinished(execution_id=execution.id, outcome="failed", detail=reason))
    if not _undo(turn, execution, reason):
        end(turn, execution)
        turn.hand_off("step_failed", f"{_so_far(turn, execution)}; {reason}")


def overdue(turn: Turn, execution: Execution) -> None:
    """End at the plan's deadline: what is left needs a new plan and a new approval, an undo too."""
    reason = "the plan's execution deadline has passed"
    if execution.rolling_back:
        _rollback_stopped(turn, execution, reason)
        return
    turn.emit(ExecutionFinished(execution_id=execution.id, outcome="failed", detail=reason))
    end(turn, execution)
    turn.hand_off("deadline", f"{_so_far(turn, execution)}; {reason}")


def not_better(turn: Turn, execution: Execution, reason: str) -> None:
    """Follow a failed verification: the declared undo, or the next-ranked runbook, or a person."""
    execution.unverified = True
    if _undo(turn, execution, reason):
        return
    end(turn, execution)
    if not try_next(turn) and not turn.case.recovered:
        turn.hand_off("verification_failed", reason)


def undone(turn: Turn, execution: Execution) -> None:
    """End a rollback that went through."""
    undone_ids = {step.id for step in execution.undo}
    left = [stepping.planned(turn, step).name for step in execution.applied() if step.id not in undone_ids]
    detail = f"without a declared undo: {', '.join(left)}" if left else ""
    turn.emit(RollbackFinished(execution_id=execution.id, outcome="succeeded", detail=detail))
    end(turn, execution)
    if execution.unverified:
        try_next(turn)


def _undo(turn: Turn, execution: Execution, reason: str) -> bool:
    """Begin the undo of what was applied, last step first. False when nothing is declared or its time is over."""
    declared = {step.id for step in turn.plan.steps if step.rollback is not None}
    steps = [step for step in reversed(execution.applied()) if step.id in declared]
    if not steps or turn.now >= execution.deadline:
        return False
    execution.rolling_back = True
    execution.undo = [execution.new_step(step.id, rollback=True) for step in steps]
    turn.emit(RollbackStarted(execution_id=execution.id, reason=reason))
    first: StepState = execution.undo[0]
    stepping.check(turn, execution, first)
    return True


def _rollback_stopped(turn: Turn, execution: Execution, reason: str) -> None:
    turn.emit(RollbackFinished(execution_id=execution.id, outcome="needs_human", detail=reason))
    end(turn, execution)
    turn.hand_off("rollback_stopped", reason)


def _so_far(turn: Turn, execution: Execution) -> str:
    done = [stepping.planned(turn, step).name for step in execution.applied()]
    return f"{len(done)} of {len(execution.steps)} step(s) done{': ' + ', '.join(done) if done else ''}"
