"""Did it help? Reads by a schedule behind timers, until a verdict."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

from services.executor.domain.state import Execution, Verifying
from services.executor.domain.verification import (
    GRACE,
    HOLE_STEPS,
    READ_MIN,
    Point,
    Verdict,
    held_for,
    judge,
    observed,
    verify_with_retry,
)
from services.executor.domain.work import VERIFY_READ
from services.executor.handlers import ending
from services.executor.handlers.ending import VERIFY, VERIFY_END
from services.executor.handlers.turn import Turn
from shared.events.executions import (
    ExecutionFinished,
    VerificationFailed,
    VerificationPassed,
    VerificationUnknown,
)
from shared.incident.incident import VerificationResult

LATE = 5.0
"""Wall seconds after which nobody was there when a timer was due; a busy machine takes less."""
_VERDICTS = {"passed": VerificationPassed, "failed": VerificationFailed, "unknown": VerificationUnknown}


def begin(turn: Turn, execution: Execution) -> None:
    """Every step has ended: look whether it helped. The first read tells where the clock of the data stands."""
    turn.emit(ExecutionFinished(execution_id=execution.id, outcome="succeeded"))
    execution.phase = "verifying"
    wall_deadline = turn.now + turn.plan.verify.within_seconds + GRACE
    execution.verifying = Verifying(began=turn.now, wall_deadline=wall_deadline)
    turn.timer_at(VERIFY_END, wall_deadline)
    verify(turn, execution)


def verify(turn: Turn, execution: Execution) -> None:
    """Read once."""
    state, check = execution.verifying, turn.plan.verify
    execution.asks += 1
    state.read_at = turn.now
    since = None if state.start is None else datetime.fromtimestamp(state.start, UTC).isoformat()
    execution.awaits = turn.read(
        VERIFY_READ,
        f"{execution.id}:verify:{execution.asks}",
        execution_id=execution.id,
        attempt=state.reads + 1,
        metric=check.metric,
        entity=check.entity,
        condition=check.condition,
        since=since,
    )


def was_read(turn: Turn, execution: Execution, result: dict[str, Any]) -> None:
    """Judge what a read saw; without a verdict wait for the next one."""
    state = execution.verifying
    execution.awaits = ""
    if "error" in result:
        state.trouble = f"{result['error']['reason']}: {result['error']['detail']}"
    elif state.start is None:
        _set_clock(turn, state, result)
        if turn.now >= state.wall_deadline:
            verify(turn, execution)
            return
    else:
        verdict = _judge(turn, state, result)
        if verdict is not None:
            conclude(turn, execution, verdict)
            return
    _wait(turn, state)


def _set_clock(turn: Turn, state: Verifying, result: dict[str, Any]) -> None:
    """Take the data time at which the steps ended, and with it both deadlines.

    Reckoned from when the clock was read, not from when that is told: an answer that comes late would let count what
    was measured before the steps ended.
    """
    within = turn.plan.verify.within_seconds
    state.pace = float(result["pace"])
    state.start = float(result["data_now"]) - (result.get("read_at", turn.now) - state.began) * state.pace
    state.deadline = state.start + within
    state.wall_deadline = state.began + within / state.pace + GRACE
    turn.timer_at(VERIFY_END, state.wall_deadline)


def _judge(turn: Turn, state: Verifying, result: dict[str, Any]) -> Verdict | None:
    points = [Point(*point) for point in result["points"] if state.start is not None and point[0] >= state.start]
    state.reads += 1
    state.trouble = ""
    state.observed = observed(points, result.get("unit", ""))
    hole = HOLE_STEPS * result.get("step", 0.0) or inf
    state.held = held_for(points, state.deadline, hole)
    late = state.read_at >= state.wall_deadline
    verdict = judge(points, deadline=state.deadline, hold=turn.plan.verify.for_seconds, late=late, hole=hole)
    if verdict == "unknown" and points and points[-1].at >= state.deadline:
        state.trouble = "measurements are missing in between"
    return verdict


def _wait(turn: Turn, state: Verifying) -> None:
    check = turn.plan.verify
    schedule = verify_with_retry(
        max_attempts=check.max_attempts,
        interval=check.interval_seconds,
        backoff=check.backoff_percent / 100,
        hold=check.for_seconds,
        within=check.within_seconds,
        pace=state.pace,
    )
    if state.start is None:
        turn.timer(VERIFY, max(check.interval_seconds, READ_MIN))
        return
    earliest = max(turn.now, state.read_at + READ_MIN) - state.began
    due = next((offset for offset in schedule if offset >= earliest), None)
    if due is not None:
        turn.timer_at(VERIFY, state.began + due)


def on_timer(turn: Turn) -> None:
    """Read again, unless a read is under way or the time for it is over."""
    execution = turn.case.running
    if execution is None or execution.phase != "verifying" or turn.now >= execution.verifying.wall_deadline:
        return
    if not execution.awaits:
        verify(turn, execution)


def on_end(turn: Turn) -> None:
    """Data can be late no more. If nobody was there to look, look once: what was so in time counts when read late."""
    execution = turn.case.running
    if execution is None or execution.phase != "verifying" or turn.now < execution.verifying.wall_deadline:
        return
    state = execution.verifying
    if turn.now > state.wall_deadline + LATE:
        if state.read_at < state.wall_deadline:
            verify(turn, execution)
        ends = state.read_at + GRACE
        if execution.awaits and turn.now < ends:
            turn.timer_at(VERIFY_END, ends)
            return
    conclude(turn, execution, "unknown")


def conclude(turn: Turn, execution: Execution, outcome: Verdict) -> None:
    """Say whether it helped, and do what follows."""
    state, check = execution.verifying, turn.plan.verify
    result = VerificationResult(
        outcome=outcome,
        check=check.name,
        condition=check.condition,
        observed=tuple(state.observed),
        held_seconds=round(state.held, 3),
        reads=state.reads,
        detail=state.trouble[:500],
    )
    turn.emit(_VERDICTS[outcome](execution_id=execution.id, result=result))
    turn.audit("verified", execution=execution.id, outcome=outcome)
    reason = f"{check.name}: {f'last read {state.observed[-1]}' if state.observed else 'nothing was read'}"
    if outcome == "failed":
        ending.not_better(turn, execution, reason)
        return
    ending.end(turn, execution)
    if outcome == "unknown":
        turn.hand_off("verification_unknown", f"{reason}; {state.trouble}".rstrip("; "))
