"""What ran, and how it ended: the part of the detail fold about executions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.notifier.domain.detail import Detail, Take
from shared.events.executions import (
    ExecutionCancelled,
    ExecutionFinished,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    RollbackFinished,
    RollbackStarted,
    StepFailed,
    StepReconciled,
    StepSkipped,
    StepStarted,
    StepSucceeded,
    StepUnknown,
)
from shared.incident.enums import ActionStatus
from shared.lifecycle.timeline import Told

_ENDED = (ActionStatus.SUCCEEDED.value, ActionStatus.SKIPPED.value)
_DOUBTED = (ActionStatus.UNKNOWN.value, ActionStatus.NEEDS_HUMAN.value)


def running(detail: Detail) -> dict[str, Any] | None:
    """Return the execution that has not ended."""
    under_way = ("running", "paused", "rolling_back")
    return next((e for e in reversed(detail.executions.values()) if e["state"] in under_way), None)


def current_step(execution: dict[str, Any]) -> str:
    """Return the id of the step that has not ended, or would be next; empty when the page knows of none."""
    # After a step that failed only undoing follows, also when the first undo has not begun.
    failed = ActionStatus.FAILED_SAFE.value
    undoing = any(step["rollback"] or step["status"] == failed for step in execution["steps"])
    left = (step for step in execution["steps"] if step["rollback"] == undoing and step["status"] not in _ENDED)
    return next((str(step["id"]) for step in left), "")


def offers(execution: dict[str, Any]) -> tuple[str, ...]:
    """Return what a person may decide about an execution as it stands; the executor rules on it in any case."""
    if any(step["status"] in _DOUBTED for step in execution["steps"]):
        return ("confirm", "retry", "skip", "cancel")
    return ("resume", "skip", "cancel") if execution["state"] == "paused" else ("pause", "cancel")


def _execution_started(payload: ExecutionStarted, detail: Detail, event: Told) -> None:
    execution = _of_approval(detail, payload.execution_id, payload.approval_id)
    if execution["started_at"] is None:
        steps = [{**step.model_dump(mode="json"), "detail": "", "rollback": False} for step in payload.steps]
        execution |= {"plan_sha256": payload.plan_sha256, "state": "running", "detail": "", "steps": steps}
        execution["started_at"] = event.time


def _of_approval(detail: Detail, execution_id: str, approval_id: str) -> dict[str, Any]:
    """Return the execution of an approval. Until the claim it has no step and no start."""
    return detail.executions.setdefault(
        execution_id,
        {
            "execution_id": execution_id,
            "approval_id": approval_id,
            "plan_sha256": "",
            "state": "running",
            "detail": "",
            "started_at": None,
            "finished_at": None,
            "steps": [],
        },
    )


def _execution_paused(payload: ExecutionPaused, detail: Detail, event: Told) -> None:
    del event
    if payload.approval_id:
        _of_approval(detail, payload.execution_id, payload.approval_id)
    _state(detail, payload.execution_id, "paused", payload.reason)


def _execution_resumed(payload: ExecutionResumed, detail: Detail, event: Told) -> None:
    del event
    _state(detail, payload.execution_id, "running", payload.reason)


def _execution_finished(payload: ExecutionFinished, detail: Detail, event: Told) -> None:
    _state(detail, payload.execution_id, payload.outcome, payload.detail, event)


def _execution_cancelled(payload: ExecutionCancelled, detail: Detail, event: Told) -> None:
    if payload.approval_id:
        _of_approval(detail, payload.execution_id, payload.approval_id)
    _state(detail, payload.execution_id, "cancelled", payload.reason, event)


def _rollback_started(payload: RollbackStarted, detail: Detail, event: Told) -> None:
    del event
    _state(detail, payload.execution_id, "rolling_back", payload.reason)


def _rollback_finished(payload: RollbackFinished, detail: Detail, event: Told) -> None:
    state = "rolled_back" if payload.outcome == "succeeded" else "needs_human"
    _state(detail, payload.execution_id, state, payload.detail, event)


def _step_started(payload: StepStarted, detail: Detail, event: Told) -> None:
    del event
    _step(detail, payload, ActionStatus.CALLING)


def _step_succeeded(payload: StepSucceeded, detail: Detail, event: Told) -> None:
    del event
    _step(detail, payload, ActionStatus.SUCCEEDED, text=payload.detail)


def _step_failed(payload: StepFailed, detail: Detail, event: Told) -> None:
    del event
    _step(detail, payload, ActionStatus.FAILED_SAFE, text=payload.detail or payload.why)


def _step_unknown(payload: StepUnknown, detail: Detail, event: Told) -> None:
    del event
    _step(detail, payload, ActionStatus.UNKNOWN, text=payload.detail or payload.why)


def _step_reconciled(payload: StepReconciled, detail: Detail, event: Told) -> None:
    del event
    _step(detail, payload, ActionStatus(payload.outcome), text=payload.detail)


def _step_skipped(payload: StepSkipped, detail: Detail, event: Told) -> None:
    del event
    _step(detail, payload, ActionStatus.SKIPPED, text=payload.reason)


def _state(detail: Detail, execution_id: str, state: str, text: str, event: Told | None = None) -> None:
    execution = detail.executions.get(execution_id)
    if execution is not None:
        execution |= {"state": state, "detail": text}
        if event is not None:
            execution["finished_at"] = event.time


def _step(
    detail: Detail,
    payload: StepStarted | StepSucceeded | StepFailed | StepUnknown | StepReconciled | StepSkipped,
    status: ActionStatus,
    text: str = "",
) -> None:
    execution = detail.executions.get(payload.execution_id)
    if execution is None:
        return
    steps: list[dict[str, Any]] = execution["steps"]
    found = next((s for s in steps if s["id"] == payload.step_id and s["rollback"] == payload.rollback), None)
    if found is None:
        found = {"id": payload.step_id, "name": payload.name, "rollback": payload.rollback, "target": "", "uses": ""}
        steps.append(found)
    if isinstance(payload, StepStarted):
        found |= {"uses": payload.uses, "target": payload.target, "token": payload.token, "attempt": payload.attempt}
    found |= {"status": status.value, "detail": text}


TAKES: Mapping[str, Take] = {
    ExecutionStarted.type: _execution_started,
    ExecutionPaused.type: _execution_paused,
    ExecutionResumed.type: _execution_resumed,
    ExecutionFinished.type: _execution_finished,
    ExecutionCancelled.type: _execution_cancelled,
    RollbackStarted.type: _rollback_started,
    RollbackFinished.type: _rollback_finished,
    StepStarted.type: _step_started,
    StepSucceeded.type: _step_succeeded,
    StepFailed.type: _step_failed,
    StepUnknown.type: _step_unknown,
    StepReconciled.type: _step_reconciled,
    StepSkipped.type: _step_skipped,
}
