"""What people decide about a running execution: cancel, pause, resume, skip, retry, confirm."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.executor.domain.ruling import No, may_direct, reason_of
from services.executor.domain.state import UNSETTLED, Cancel, Execution, StepState
from services.executor.handlers import ending, stepping
from services.executor.handlers.executing import advance
from services.executor.handlers.settling import settle
from services.executor.handlers.turn import Turn
from shared.events.executions import ExecutionPaused, ExecutionResumed, StepSkipped
from shared.incident.actor import Actor
from shared.incident.enums import ActionStatus
from shared.runbooks.decision import SignedDecision
from shared.runtime.people import Person

Does = Callable[[Turn, Execution, SignedDecision, Person], No | None]
"""Does what was decided, or returns why not."""


def direct(turn: Turn, decision: SignedDecision, person: Person) -> None:
    """Do what was decided, or refuse it."""
    execution, approval = turn.case.running, turn.case.approval
    if execution is None or approval is None or decision.subject not in (execution.id, approval.id):
        turn.refuse(decision, *_no_execution(turn, decision), person.actor)
        return
    step = execution.current()
    step_id = step.id if step is not None else ""
    no = may_direct(decision, plan_sha256=approval.sha256, risk=turn.risk, step=step_id)
    no = no or _DOES[decision.verb](turn, execution, decision, person)
    if no is not None:
        turn.refuse(decision, no.why, no.detail, person.actor)
        return
    turn.audit(decision.verb, execution=execution.id, person=person.id, reason=reason_of(decision))


def _no_execution(turn: Turn, decision: SignedDecision) -> tuple[str, str]:
    """Return why nothing of what a decision names is under way: it has not begun, or it is over."""
    approval = turn.case.approval
    if (
        approval is not None
        and approval.state == "pending"
        and decision.subject in (approval.id, turn.case.execution_id())
    ):
        return "not_started", "nothing was approved yet; reject or withdraw the question instead"
    return "already_ended", "the execution is over"


def stop(turn: Turn, execution: Execution, cancel: Cancel) -> No | None:
    """Cancel before the next call: at once, or as soon as the call in flight is settled."""
    if execution.phase == "verifying":
        return No("nothing_left", "every step has ended; nothing is left to stop")
    if execution.phase not in UNSETTLED:
        ending.cancel_as_asked(turn, execution, cancel)
        return None
    if execution.cancel is not None:
        return No("already_cancelled", "it stops as soon as the call in flight is settled")
    execution.cancel = cancel
    _paused(turn, execution, f"{cancel.reason}; the call in flight is settled first", cancel.actor, cancel.decision_id)
    return None


def _cancel(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> No | None:
    reason = reason_of(decision) or f"cancelled by {person.name}"
    return stop(turn, execution, Cancel(reason=reason, actor=person.actor, decision_id=turn.message.id))


def _pause(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> No | None:
    if execution.paused or execution.phase == "verifying":
        return No("not_now", "it is paused already" if execution.paused else "every step has ended")
    execution.paused = True
    reason = reason_of(decision) or f"paused by {person.name}"
    _paused(turn, execution, reason, person.actor, turn.message.id)
    if execution.phase not in UNSETTLED:
        stepping.hold(turn, execution)
    return None


def _resume(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> No | None:
    if turn.case.parked == "closed":
        return No("closed", "the incident is closed")
    if not (execution.paused or turn.case.parked or execution.phase == "held"):
        return No("not_now", "it is not paused")
    execution.paused, execution.held, turn.case.parked = False, "", ""
    _resumed(turn, execution, decision, person)
    if execution.phase == "held":
        advance(turn, execution)
    return None


def _skip(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> No | None:
    step = execution.current()
    paused = execution.paused and execution.phase == "held"
    if step is None or not (paused or execution.phase == "in_doubt"):
        return No("not_now", "pause first; only a step that is not under way, or one in doubt, can be skipped")
    if execution.phase == "in_doubt":
        _resumed(turn, execution, decision, person)
    step.status = ActionStatus.SKIPPED
    turn.emit(
        StepSkipped(
            **stepping.facts_of(turn, execution, step),
            reason=reason_of(decision) or f"skipped by {person.name}",
            actor=person.actor,
            decision_id=turn.message.id,
        )
    )
    advance(turn, execution)
    return None


def _retry(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> No | None:
    step = execution.current()
    no = _not_in_doubt(execution, step)
    if no is not None or step is None:
        return no
    if turn.case.parked or execution.cancel is not None or turn.now >= execution.deadline:
        return No("not_now", "nothing begins any more: cancelled, closed, parked, or past the deadline")
    _resumed(turn, execution, decision, person)
    step.status = ActionStatus.NOT_APPLIED
    advance(turn, execution)
    return None


def _confirm(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> No | None:
    step = execution.current()
    no = _not_in_doubt(execution, step)
    if no is not None or step is None:
        return no
    _resumed(turn, execution, decision, person)
    reason = reason_of(decision)
    settle(turn, execution, step, "succeeded", f"confirmed by {person.name}{f': {reason}' if reason else ''}")
    return None


def _not_in_doubt(execution: Execution, step: StepState | None) -> No | None:
    if execution.phase == "in_doubt" and step is not None:
        return None
    return No("not_now", "no step waits for a person to say what became of it")


def _paused(turn: Turn, execution: Execution, reason: str, actor: Actor | None, decision_id: str) -> None:
    turn.emit(
        ExecutionPaused(
            execution_id=execution.id,
            approval_id=execution.approval_id,
            reason=reason,
            actor=actor,
            decision_id=decision_id,
        )
    )


def _resumed(turn: Turn, execution: Execution, decision: SignedDecision, person: Person) -> None:
    reason = reason_of(decision) or f"{decision.verb} by {person.name}"
    turn.emit(
        ExecutionResumed(
            execution_id=execution.id,
            approval_id="" if execution.claimed else execution.approval_id,
            reason=reason,
            actor=person.actor,
            decision_id=turn.message.id,
        )
    )


_DOES: Mapping[str, Does] = {
    "cancel": _cancel,
    "pause": _pause,
    "resume": _resume,
    "skip": _skip,
    "retry": _retry,
    "confirm": _confirm,
}
VERBS = frozenset(_DOES)
