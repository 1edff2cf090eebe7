"""What people ask of an incident. The notifier has authenticated them; every request is done or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.diagnoser.handlers import closing, investigating, joining
from services.diagnoser.handlers.incident_turn import IncidentTurn
from shared.events.incidents import (
    IncidentAcknowledged,
    IncidentAssigned,
    IncidentNoted,
    IncidentRequestRefused,
    IncidentSeverityRaised,
)
from shared.events.people import IncidentRequested
from shared.incident.actor import Actor
from shared.incident.enums import Severity

NOTE_MAX = 4000

Answer = Callable[[IncidentTurn, IncidentRequested], str]
"""Does what was asked and returns nothing, or returns why it is refused."""


def ask(turn: IncidentTurn) -> None:
    """Do what a person asks, or refuse it."""
    request = IncidentRequested.read(turn.message.body)
    answer = _ANSWERS.get(request.verb)
    if turn.message.meta.get("environment") != turn.state.environment:
        why = f"the incident belongs to {turn.state.environment}"
    else:
        why = answer(turn, request) if answer else "this verb is not for an incident that exists"
    if why:
        refused = IncidentRequestRefused(request_id=request.request_id, verb=request.verb, why=why, actor=request.actor)
        turn.emit(refused)
    turn.decision.audit.append(
        {"request": request.request_id, "verb": request.verb, "actor": request.actor.id, "refused": why or None}
    )


def _acknowledge(turn: IncidentTurn, request: IncidentRequested) -> str:
    if turn.state.closed_at is not None:
        return "closed"
    turn.emit(IncidentAcknowledged(actor=request.actor, request_id=request.request_id))
    return ""


def _assign(turn: IncidentTurn, request: IncidentRequested) -> str:
    assignee = request.arguments.get("assignee", "").strip()
    if turn.state.closed_at is not None:
        return "closed"
    if not assignee:
        return "no assignee given"
    turn.emit(IncidentAssigned(actor=request.actor, assignee=assignee[:200], request_id=request.request_id))
    return ""


def _note(turn: IncidentTurn, request: IncidentRequested) -> str:
    text = request.arguments.get("text", "").strip()
    if not text:
        return "no text given"
    turn.emit(IncidentNoted(actor=request.actor, text=text[:NOTE_MAX], request_id=request.request_id))
    return ""


def _severity(turn: IncidentTurn, request: IncidentRequested) -> str:
    wanted = request.arguments.get("severity", "")
    if wanted not in list(Severity):
        return f"unknown severity; use one of {', '.join(Severity)}"
    previous, severity = Severity(turn.state.severity), Severity(wanted)
    if turn.state.closed_at is not None:
        return "closed"
    if severity.rank >= previous.rank:
        return f"severity is {previous.value} and is never lowered while the incident is open"
    turn.state.severity = severity.value
    turn.emit(
        IncidentSeverityRaised(
            previous=previous,
            severity=severity,
            reason=request.arguments.get("reason", "")[:300],
            actor=request.actor,
        )
    )
    return ""


def _close(turn: IncidentTurn, request: IncidentRequested) -> str:
    if turn.state.closed_at is not None:
        return "closed already"
    if closing.is_running(turn):
        return "running"
    closing.close(turn, "person", request.actor, request.request_id)
    return ""


def _reopen(turn: IncidentTurn, request: IncidentRequested) -> str:
    if turn.state.closed_at is None and not turn.state.quiet:
        return "open already"
    reason = request.arguments.get("reason", "") or "a person asked"
    joining.reopen(turn, reason, request.actor, request.request_id)
    investigating.want(turn, "a person asked")
    return ""


def _investigate(turn: IncidentTurn, request: IncidentRequested) -> str:
    """Look again as soon as the limits allow; that it began is the answer."""
    if turn.state.closed_at is not None:
        return "closed; reopen it and it is investigated again"
    if turn.state.asked is not None:
        return f"{Actor.model_validate(turn.state.asked['actor']).label} has asked already, and it begins soon"
    turn.state.asked = {"request_id": request.request_id, "actor": request.actor.model_dump(mode="json")}
    investigating.want(turn, "a person asked")
    closing.consider(turn)
    return ""


_ANSWERS: Mapping[str, Answer] = {
    "acknowledge": _acknowledge,
    "assign": _assign,
    "note": _note,
    "severity": _severity,
    "close": _close,
    "reopen": _reopen,
    "investigate": _investigate,
}
