"""A call whose outcome nobody has proved: never called again blindly."""

from __future__ import annotations

from services.executor.domain.state import Execution, StepState
from services.executor.domain.work import RECONCILE
from services.executor.handlers import stepping
from services.executor.handlers.turn import Turn
from shared.events.executions import StepUnknown
from shared.incident.enums import ActionStatus

RECORD = "record"
RECORD_SECONDS = 600.0
"""How long the vendor's record may be out of reach before a person is asked instead."""


def doubt(turn: Turn, execution: Execution, step: StepState, why: str, detail: str) -> None:
    """Say that a call is in doubt, and have the vendor's own record read once it cannot change any more.

    That is after the settle time, counted from when both the call's lease and its time limit have ended.
    """
    one, call = stepping.planned(turn, step), stepping.call_of(turn, execution, step)
    not_before = max(turn.now, step.call_ends) + one.settle_seconds
    step.status, execution.phase = ActionStatus.RECONCILING, "reconciling"
    turn.emit(StepUnknown(**stepping.facts_of(turn, execution, step), why=why, detail=detail[:1000]))
    execution.awaits = turn.read(
        RECONCILE,
        stepping.request_id(execution, step, "reconcile"),
        not_before=not_before,
        execution_id=execution.id,
        step_id=step.id,
        rollback=execution.rolling_back,
        verb=call.uses,
        target=call.target,
        token=step.token,
    )
    turn.timer_at(RECORD, not_before + RECORD_SECONDS)
    turn.audit("in_doubt", execution=execution.id, step=step.id, token=step.token, why=why)


def ask_person(turn: Turn, execution: Execution, step: StepState, detail: str) -> None:
    """Let a person say what became of a call. Locks stay until then, and no other step begins."""
    step.status, execution.phase, execution.awaits = ActionStatus.NEEDS_HUMAN, "in_doubt", ""
    name = stepping.call_of(turn, execution, step).name
    found = "; ".join([part for part in (detail, *step.evidence) if part])
    turn.hand_off("step_in_doubt", f"{name}: {found or 'nobody knows whether it was applied'}. Confirm, retry or skip")
