"""What became of a call in doubt: its lease, its late answer, the vendor's record, a person's word."""

from __future__ import annotations

from typing import Any, Literal

from services.executor.domain.state import Execution, StepState
from services.executor.handlers import stepping
from services.executor.handlers.doubting import RECORD, ask_person, doubt
from services.executor.handlers.executing import advance
from services.executor.handlers.turn import Turn
from shared.events.executions import ExecutionResumed, StepReconciled
from shared.incident.enums import ActionStatus
from shared.store.model import ACTIVITY_LATE

ATTEMPTS_MAX = 3
"""Calls of one step that the vendor's record says were not applied, before a person is asked."""

Outcome = Literal["succeeded", "not_applied", "needs_human"]


def called_before(turn: Turn) -> tuple[Execution, StepState] | None:
    """Return the execution and step whose newest call the message tells of, if that has not ended."""
    execution = turn.case.running
    step = execution.current() if execution is not None else None
    if execution is None or step is None or step.call_id != turn.message.body["id"]:
        return None
    return execution, step


def lost(turn: Turn) -> None:
    """A call's lease ended without a result: it may have been applied, or never begun."""
    found = called_before(turn)
    if found is not None and found[0].phase == "calling":
        doubt(turn, *found, "lost", "the process that made the call gave no answer")


def late(turn: Turn) -> None:
    """A result that comes after the lease is evidence: a success settles the doubt, anything else only helps."""
    found = called_before(turn)
    if found is None or found[0].phase in ("calling", "verifying"):
        return
    execution, step = found
    result: dict[str, Any] = turn.message.body["result"]
    told = result.get("error") or {"reason": result.get("outcome"), "detail": result.get("detail", "")}
    text = f"a late answer said {told['reason']}: {told['detail']}"[:500]
    turn.audit(ACTIVITY_LATE, execution=execution.id, step=step.id, said=text)
    if result.get("outcome") != "succeeded":
        step.evidence.append(text)
        return
    if execution.phase == "in_doubt":
        turn.emit(ExecutionResumed(execution_id=execution.id, reason=text))
    settle(turn, execution, step, "succeeded", text)


def reconciled(turn: Turn, execution: Execution, step: StepState, result: dict[str, Any]) -> None:
    """Go on by what the vendor's own record says; not applied means: called again, with the same token."""
    error = result.get("error")
    outcome: Outcome = "needs_human" if error else result["outcome"]
    detail = f"{error['reason']}: {error['detail']}" if error else str(result.get("detail", ""))
    if outcome == "not_applied" and step.attempt >= ATTEMPTS_MAX:
        outcome, detail = "needs_human", f"not applied {step.attempt} times; {detail}"
    settle(turn, execution, step, outcome, detail)


def no_record(turn: Turn) -> None:
    """The vendor's record could not be read for too long."""
    execution = turn.case.running
    step = execution.current() if execution is not None else None
    if execution is not None and step is not None and execution.phase == "reconciling":
        settle(turn, execution, step, "needs_human", "the vendor's record could not be read")


def settle(turn: Turn, execution: Execution, step: StepState, outcome: Outcome, detail: str) -> None:
    """End a doubt, and go on; or ask a person, who then does."""
    turn.timer(RECORD, None)
    execution.awaits = ""
    turn.emit(StepReconciled(**stepping.facts_of(turn, execution, step), outcome=outcome, detail=detail[:1000]))
    turn.audit("reconciled", execution=execution.id, step=step.id, outcome=outcome)
    if outcome == "needs_human":
        ask_person(turn, execution, step, detail)
        return
    step.status = ActionStatus(outcome)
    advance(turn, execution)
