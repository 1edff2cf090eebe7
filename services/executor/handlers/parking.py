"""A message that can never be handled: no new intent, and a person is asked to look."""

from __future__ import annotations

from services.executor.domain.state import Execution, Proposal, StepState
from services.executor.handlers import stepping
from services.executor.handlers.doubting import ask_person
from services.executor.handlers.turn import Turn
from shared.events.approvals import PlanRefused
from shared.events.executions import StepUnknown


def park(turn: Turn, reason: str) -> None:
    """Begin nothing more; cancel, expiry and freeze still work, and a person may resume. Looks at no time."""
    case, body = turn.case, turn.message.body
    case.parked = case.parked or "poison"
    turn.audit("dead", message=turn.message.id, type=turn.message.type, reason=reason)
    activity = str(body.get("id", "")) if isinstance(body, dict) else ""
    proposal, execution = case.proposal, case.running
    if proposal is not None and proposal.preparing and activity == proposal.awaits:
        _no_plan(turn, proposal, reason)
    step = execution.current() if execution is not None else None
    if execution is not None and step is not None and activity and activity == _in_flight(execution, step):
        _in_doubt(turn, execution, step, reason)
        return
    if execution is not None and execution.phase in ("checking", "waiting_permit"):
        stepping.hold(turn, execution)
    turn.hand_off("parked", f"{turn.message.type} {turn.message.id} cannot be handled: {reason}")


def _in_flight(execution: Execution, step: StepState) -> str:
    return {"calling": step.call_id, "reconciling": execution.awaits}.get(execution.phase, "")


def _no_plan(turn: Turn, proposal: Proposal, reason: str) -> None:
    proposal.preparing, proposal.awaits = False, ""
    turn.emit(
        PlanRefused(recommendation_id=proposal.id, runbook_id=proposal.runbook_id, why="unusable_plan", detail=reason)
    )


def _in_doubt(turn: Turn, execution: Execution, step: StepState, reason: str) -> None:
    """Take a result that cannot be read for what it is: nobody knows whether the call was applied."""
    turn.emit(
        StepUnknown(
            execution_id=execution.id,
            step_id=step.id,
            rollback=execution.rolling_back,
            why="unreadable",
            detail=reason,
        )
    )
    ask_person(turn, execution, step, reason)
