"""What people say of a diagnosis: one verdict for each person and incident, the newest counts."""

from __future__ import annotations

from services.diagnoser.domain.cause_names import unnamed
from services.diagnoser.handlers.incident_turn import IncidentTurn
from shared.events.incidents import IncidentNoted, IncidentRequestRefused
from shared.events.people import FeedbackGiven
from shared.store.model import Record

VERDICT = "verdict"
"""The table of verdicts."""
CAUSE_MAX = 100


def judge(turn: IncidentTurn) -> None:
    """Keep a verdict on the newest diagnosis and tell it, or refuse it."""
    given = FeedbackGiven.read(turn.message.body)
    actual = " ".join((given.cause or "").split())[:CAUSE_MAX]
    why = _refused(turn, given, actual)
    entry = {"request": given.request_id, "verdict": given.verdict, "actor": given.actor.id, "refused": why or None}
    turn.decision.audit.append(entry)
    if why:
        refused = IncidentRequestRefused(request_id=given.request_id, verb="verdict", why=why, actor=given.actor)
        turn.emit(refused)
        return
    named, confidence = _named(turn)
    values = {
        "incident_id": turn.state.id,
        "person": given.actor.id,
        "environment": turn.state.environment,
        "cause": named,
        "confidence": confidence,
        "verdict": given.verdict,
        "actual": named if given.verdict == "right" else actual,
        "at": turn.now,
    }
    turn.decision.records.append(Record(VERDICT, values))
    turn.emit(
        IncidentNoted(
            actor=given.actor, text=_told(given, named, actual), request_id=given.request_id, verdict=given.verdict
        )
    )


def _named(turn: IncidentTurn) -> tuple[str, float]:
    """Return the cause that the newest conclusion names, and how sure it was; none when it named none."""
    concluded = turn.state.concluded
    if concluded is None or concluded["status"] != "diagnosed":
        return "", 0.0
    return concluded["cause"], concluded["confidence"]


def _refused(turn: IncidentTurn, given: FeedbackGiven, actual: str) -> str:
    named, _ = _named(turn)
    if turn.message.meta.get("environment") != turn.state.environment:
        return f"the incident belongs to {turn.state.environment}"
    if turn.state.concluded is None:
        return "nothing has been concluded yet"
    if actual and turn.config.causes is not None and (why := unnamed(actual, turn.config.causes)):
        return why
    if not named and (given.verdict == "right" or not actual):
        return "no cause was named; say `wrong` with the cause that it was"
    if given.verdict == "wrong" and actual == named:
        return f"{named} is what the diagnosis says; say `right`, or name another cause"
    if given.verdict == "right" and actual not in ("", named):
        return f"the diagnosis says {named}, not {actual}; say `wrong`"
    return ""


def _told(given: FeedbackGiven, named: str, actual: str) -> str:
    if given.verdict == "right":
        return f"The diagnosis was right: {named}"
    return f"The diagnosis was wrong{f': not {named}' if named else ''}{f'; it was {actual}' if actual else ''}"
