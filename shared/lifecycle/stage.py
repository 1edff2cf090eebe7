"""The stage of an incident: a fold over its events through one table.

Every (stage, event) pair is in `MOVES` or in `IGNORED` with a reason; a test walks all of them. An event whose body
decides where to go has variants, written `type/variant`. `docs/lifecycle.md` is generated from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.incident.enums import Stage

_BEFORE_APPROVAL = (Stage.OPEN, Stage.INVESTIGATING, Stage.RECOMMENDED)
_HALTED = (Stage.NEEDS_HUMAN, Stage.REJECTED, Stage.EXPIRED, Stage.FAILED, Stage.ROLLED_BACK, Stage.CANCELLED)
_CHANGING = (Stage.EXECUTING, Stage.VERIFYING)
_OVER = (Stage.MITIGATED, Stage.RESOLVED)
_ALIVE = tuple(stage for stage in Stage if stage is not Stage.CLOSED)


def _from(*stages: Stage | tuple[Stage, ...], to: Stage) -> dict[Stage, Stage]:
    return {stage: to for group in stages for stage in (group if isinstance(group, tuple) else (group,))}


MOVES: Mapping[str, Mapping[Stage, Stage]] = {
    "investigation.started": _from(Stage.OPEN, to=Stage.INVESTIGATING),
    "diagnosis.inconclusive": _from(Stage.OPEN, Stage.INVESTIGATING, to=Stage.NEEDS_HUMAN),
    "diagnosis.no_active_fault": _from(Stage.OPEN, Stage.INVESTIGATING, to=Stage.NEEDS_HUMAN),
    "recommendation.made/some": _from(Stage.OPEN, Stage.INVESTIGATING, _HALTED, to=Stage.RECOMMENDED),
    "recommendation.made/none": _from(Stage.OPEN, Stage.INVESTIGATING, to=Stage.NEEDS_HUMAN),
    "recommendation.superseded": _from(Stage.RECOMMENDED, to=Stage.INVESTIGATING),
    "plan.refused": _from(_BEFORE_APPROVAL, to=Stage.NEEDS_HUMAN),
    "approval.requested": _from(_BEFORE_APPROVAL, _HALTED, to=Stage.AWAITING_APPROVAL),
    "approval.rejected": _from(Stage.AWAITING_APPROVAL, to=Stage.REJECTED),
    "approval.expired": _from(Stage.AWAITING_APPROVAL, to=Stage.EXPIRED),
    "approval.withdrawn": _from(Stage.AWAITING_APPROVAL, to=Stage.CANCELLED),
    "approval.superseded": _from(Stage.AWAITING_APPROVAL, to=Stage.RECOMMENDED),
    "execution.started": _from(_BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, _HALTED, _OVER, to=Stage.EXECUTING),
    "execution.resumed/claimed": _from(Stage.NEEDS_HUMAN, to=Stage.EXECUTING),
    "execution.finished/succeeded": _from(Stage.EXECUTING, to=Stage.VERIFYING),
    "execution.finished/failed": _from(_CHANGING, to=Stage.FAILED),
    "execution.finished/needs_human": _from(_CHANGING, to=Stage.NEEDS_HUMAN),
    "execution.cancelled": _from(Stage.AWAITING_APPROVAL, _CHANGING, to=Stage.CANCELLED),
    "verification.passed": _from(_CHANGING, to=Stage.MITIGATED),
    "verification.failed": _from(_CHANGING, to=Stage.FAILED),
    "verification.unknown": _from(_CHANGING, to=Stage.NEEDS_HUMAN),
    "rollback.started": _from(_CHANGING, _HALTED, _OVER, to=Stage.EXECUTING),
    "rollback.finished/succeeded": _from(_CHANGING, _HALTED, to=Stage.ROLLED_BACK),
    "rollback.finished/failed": _from(_CHANGING, _HALTED, to=Stage.NEEDS_HUMAN),
    "rollback.finished/needs_human": _from(_CHANGING, _HALTED, to=Stage.NEEDS_HUMAN),
    "handoff.requested/over": _from(
        _BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, _CHANGING, _HALTED, to=Stage.NEEDS_HUMAN
    ),
    "handoff.requested/under_way": _from(_ALIVE, to=Stage.NEEDS_HUMAN),
    "incident.source_recovered": _from(
        _BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, _HALTED, Stage.MITIGATED, to=Stage.RESOLVED
    ),
    "incident.reopened": _from(Stage.CLOSED, Stage.RESOLVED, to=Stage.OPEN),
    "incident.closed": _from(_ALIVE, to=Stage.CLOSED),
}

_TOLD = "tells something and moves nothing"

IGNORED: Mapping[str, tuple[tuple[Stage, ...], str]] = {
    "incident.opened": (tuple(Stage), "makes the incident; a second one is a repeat"),
    "incident.classified": (tuple(Stage), _TOLD),
    "incident.alerts_attached": (tuple(Stage), _TOLD),
    "incident.severity_raised": (tuple(Stage), _TOLD),
    "incident.related": (tuple(Stage), _TOLD),
    "incident.acknowledged": (tuple(Stage), "taking responsibility approves nothing"),
    "incident.assigned": (tuple(Stage), "being responsible approves nothing"),
    "incident.noted": (tuple(Stage), _TOLD),
    "incident.request_refused": (tuple(Stage), "nothing was done"),
    "incident.service_silent": (tuple(Stage), "an alarm about Signoff, not about the incident"),
    "evidence.gathered": (tuple(Stage), _TOLD),
    "diagnosis.concluded": (tuple(Stage), "what it leads to is the recommendation"),
    "question.answered": (tuple(Stage), _TOLD),
    "summary.written": (tuple(Stage), _TOLD),
    "approval.reminded": (tuple(Stage), "still waiting"),
    "approval.escalated": (tuple(Stage), "still waiting"),
    "approval.vote_recorded": (tuple(Stage), "still waiting for more people"),
    "approval.decision_refused": (tuple(Stage), "the executor did not accept it"),
    "approval.granted": (tuple(Stage), "the claim that follows, execution.started, moves it"),
    "execution.paused": (tuple(Stage), "a paused execution is still executing"),
    "execution.resumed/claimed": (
        tuple(stage for stage in Stage if stage is not Stage.NEEDS_HUMAN),
        "a resumed execution is still executing; only one that was handed to a person moves",
    ),
    "execution.resumed/unclaimed": (tuple(Stage), "nothing has begun yet; what was approved waits for its claim"),
    "step.started": (tuple(Stage), "part of an execution"),
    "step.succeeded": (tuple(Stage), "part of an execution"),
    "step.failed": (tuple(Stage), "execution.finished says what follows"),
    "step.unknown": (tuple(Stage), "reconciliation follows, then execution.finished"),
    "step.reconciled": (tuple(Stage), "part of an execution"),
    "step.skipped": (tuple(Stage), "part of an execution"),
    "investigation.started": (
        tuple(stage for stage in Stage if stage is not Stage.OPEN),
        "a fresh look runs beside what goes on; what waits for a person waits until something new is proposed",
    ),
    "diagnosis.inconclusive": (
        (Stage.RECOMMENDED, Stage.AWAITING_APPROVAL, *_CHANGING, *_OVER, *_HALTED, Stage.CLOSED),
        "a fresh look takes nothing back",
    ),
    "diagnosis.no_active_fault": (
        (Stage.RECOMMENDED, Stage.AWAITING_APPROVAL, *_CHANGING, *_OVER, *_HALTED, Stage.CLOSED),
        "a fresh look takes nothing back",
    ),
    "recommendation.made/some": (
        (Stage.RECOMMENDED, Stage.AWAITING_APPROVAL, *_CHANGING, *_OVER, Stage.CLOSED),
        "the executor says what becomes of it",
    ),
    "recommendation.made/none": (
        (Stage.RECOMMENDED, Stage.AWAITING_APPROVAL, *_CHANGING, *_OVER, *_HALTED, Stage.CLOSED),
        "an empty recommendation takes nothing back",
    ),
    "recommendation.superseded": (
        tuple(stage for stage in Stage if stage is not Stage.RECOMMENDED),
        "a pending approval ends by approval.superseded, and nothing else rests on it",
    ),
    "plan.refused": (
        (Stage.AWAITING_APPROVAL, *_CHANGING, *_OVER, *_HALTED, Stage.CLOSED),
        "about a plan that is not the current one",
    ),
    "approval.requested": ((Stage.AWAITING_APPROVAL, *_CHANGING, *_OVER, Stage.CLOSED), "what goes on has precedence"),
    "approval.rejected": (
        tuple(stage for stage in Stage if stage is not Stage.AWAITING_APPROVAL),
        "nothing waits for this answer any more",
    ),
    "approval.expired": (
        tuple(stage for stage in Stage if stage is not Stage.AWAITING_APPROVAL),
        "nothing waits for this answer any more",
    ),
    "approval.withdrawn": (
        tuple(stage for stage in Stage if stage is not Stage.AWAITING_APPROVAL),
        "nothing waits for this answer any more",
    ),
    "approval.superseded": (
        tuple(stage for stage in Stage if stage is not Stage.AWAITING_APPROVAL),
        "nothing waits for this answer any more",
    ),
    "execution.started": ((*_CHANGING, Stage.CLOSED), "an execution runs already, or the incident is over"),
    "execution.finished/succeeded": (
        tuple(stage for stage in Stage if stage is not Stage.EXECUTING),
        "only a running execution ends well",
    ),
    "execution.finished/failed": (
        tuple(stage for stage in Stage if stage not in _CHANGING),
        "the end of this execution is known already",
    ),
    "execution.finished/needs_human": (
        tuple(stage for stage in Stage if stage not in _CHANGING),
        "the end of this execution is known already",
    ),
    "execution.cancelled": (
        (*_BEFORE_APPROVAL, *_OVER, *_HALTED, Stage.CLOSED),
        "nothing runs that could be cancelled",
    ),
    "verification.passed": (tuple(stage for stage in Stage if stage not in _CHANGING), "nothing is being verified"),
    "verification.failed": (tuple(stage for stage in Stage if stage not in _CHANGING), "nothing is being verified"),
    "verification.unknown": (tuple(stage for stage in Stage if stage not in _CHANGING), "nothing is being verified"),
    "rollback.started": (
        (*_BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, Stage.CLOSED),
        "nothing was changed that could be undone",
    ),
    "rollback.finished/succeeded": (
        (*_BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, *_OVER, Stage.CLOSED),
        "the incident went on meanwhile",
    ),
    "rollback.finished/failed": (
        (*_BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, *_OVER, Stage.CLOSED),
        "the incident went on meanwhile",
    ),
    "rollback.finished/needs_human": (
        (*_BEFORE_APPROVAL, Stage.AWAITING_APPROVAL, *_OVER, Stage.CLOSED),
        "the incident went on meanwhile",
    ),
    "handoff.requested/over": ((*_OVER, Stage.CLOSED), "the source has recovered or the incident is over"),
    "handoff.requested/under_way": ((Stage.CLOSED,), "the incident is over"),
    "incident.source_recovered": (
        (*_CHANGING, Stage.RESOLVED, Stage.CLOSED),
        "remembered while a change runs or is verified; known already otherwise",
    ),
    "incident.reopened": (
        tuple(stage for stage in Stage if stage not in (Stage.CLOSED, Stage.RESOLVED)),
        "it is open already",
    ),
    "incident.closed": ((Stage.CLOSED,), "it is closed already"),
}


def _items(recommendations: object) -> bool:
    # A body that is not what it should be moves nothing, and breaks no fold.
    return isinstance(recommendations, Mapping) and bool(recommendations.get("items"))


_VARIANTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "execution.finished": lambda body: str(body.get("outcome", "")),
    "rollback.finished": lambda body: str(body.get("outcome", "")),
    "recommendation.made": lambda body: "some" if _items(body.get("recommendations")) else "none",
    "execution.resumed": lambda body: "unclaimed" if body.get("approval_id") else "claimed",
    "handoff.requested": lambda body: "under_way" if body.get("execution_id") else "over",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an incident is. `recovered`: every alert has recovered, also when the stage does not say so yet."""

    stage: Stage
    recovered: bool = False


OPENED = Progress(Stage.OPEN)
"""After `incident.opened`."""


def variant(event_type: str, body: Mapping[str, Any]) -> str:
    """Return the row of the table for an event."""
    of_body = _VARIANTS.get(event_type)
    return f"{event_type}/{of_body(body)}" if of_body else event_type


def advance(progress: Progress, event_type: str, body: Mapping[str, Any]) -> Progress:
    """Return the progress after one event. Unknown events change nothing."""
    name = variant(event_type, body)
    stage = MOVES.get(name, {}).get(progress.stage, progress.stage)
    recovered = progress.recovered
    if name == "incident.source_recovered":
        recovered = True
    elif name in ("incident.reopened", "incident.alerts_attached"):
        recovered = False
    ended = progress.stage in _CHANGING and stage not in _CHANGING and stage is not Stage.CLOSED
    # What was handed over while it was under way has not ended: nobody knows yet what became of it.
    ended = ended and name != "handoff.requested/under_way"
    return Progress(Stage.RESOLVED if ended and recovered else stage, recovered)


def diagram() -> str:
    """Return the table as a Mermaid state diagram, one arrow for each pair of stages."""
    arrows: dict[tuple[Stage, Stage], list[str]] = {}
    for event, moves in MOVES.items():
        for before, after in moves.items():
            arrows.setdefault((before, after), []).append(event)
    order = list(Stage)
    lines = ["stateDiagram-v2", f"    [*] --> {Stage.OPEN}: incident.opened"]
    for (before, after), events in sorted(arrows.items(), key=lambda item: [order.index(s) for s in item[0]]):
        lines.append(f"    {before} --> {after}: {', '.join(events)}")
    lines.append(f"    {Stage.CLOSED} --> [*]")
    return "\n".join(lines) + "\n"
