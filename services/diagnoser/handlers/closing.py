"""When an incident closes: resolved, and the executor has had the last word. And the summary that follows."""

from __future__ import annotations

from typing import Literal

from services.diagnoser.domain.advice import Advice, StepName
from services.diagnoser.domain.advising import to_summarise
from services.diagnoser.domain.last_word import owed
from services.diagnoser.domain.summary import summarize, with_advice
from services.diagnoser.handlers import waiting
from services.diagnoser.handlers.incident_turn import IncidentTurn
from shared.events.incidents import IncidentClosed, IncidentRequestRefused
from shared.events.investigations import SummaryWritten
from shared.incident.actor import Actor
from shared.incident.enums import Stage
from shared.incident.incident import TimelineEntry
from shared.store.model import Record

PAST = "past_incident"
"""The table of what incidents showed. It is written by each investigation, and looked at once they are closed."""
STEP: StepName = "summarise"
TIMER_NAME = "close"
TIMERS = ("close", "investigate", "answer")


def is_running(turn: IncidentTurn) -> bool:
    """Say whether the executor still owes an answer or an end."""
    return bool(owed(turn.state.debts))


def consider(turn: IncidentTurn) -> None:
    """Start, keep or stop the time after which a resolved incident closes."""
    state = turn.state
    if state.closed_at is not None:
        return
    is_looked_at = bool(state.investigating or state.asked)
    settled = state.quiet and state.stage == Stage.RESOLVED.value and not is_running(turn) and not is_looked_at
    if settled and state.settled_at is None:
        state.settled_at = turn.now
        turn.wake(TIMER_NAME, turn.now + turn.config.closes_after(state.environment))
    elif not settled and state.settled_at is not None:
        state.settled_at = None
        turn.wake(TIMER_NAME, None)


def on_timer(turn: IncidentTurn) -> None:
    """Close if it still may be closed."""
    consider(turn)
    if turn.state.settled_at is not None:
        close(turn, "resolved")


def close(
    turn: IncidentTurn, reason: Literal["resolved", "person"], actor: Actor | None = None, request_id: str = ""
) -> None:
    """Close the incident and tell the scope."""
    turn.emit(IncidentClosed(reason=reason, actor=actor, request_id=request_id))
    turn.state.closed_at = turn.now
    past = {"incident_id": turn.state.id, "environment": turn.state.environment, "at": turn.now}
    turn.decision.records.append(Record(PAST, {**past, "closed_at": turn.now}))
    turn.state.settled_at = None
    turn.state.investigating = ""
    _refuse_asked(turn)
    for name in TIMERS:
        turn.wake(name, None)
    turn.decision.audit.append({"closed": turn.state.id, "reason": reason, "actor": actor.id if actor else None})
    turn.tell_scope("closed")


def _refuse_asked(turn: IncidentTurn) -> None:
    """Tell who asked for another look, and whose turn did not come, that there will be none."""
    asked, turn.state.asked = turn.state.asked, None
    if asked:
        turn.emit(
            IncidentRequestRefused(
                request_id=asked["request_id"],
                verb="investigate",
                why="the incident was closed before it could begin",
                actor=Actor.model_validate(asked["actor"]),
            )
        )


def summarize_once(turn: IncidentTurn) -> None:
    """Write the summary when the closing comes back from the topic: then the story is complete."""
    state = turn.state
    if state.closed_at is None or state.summarized == turn.message.id:
        return
    state.summarized = turn.message.id
    story = [TimelineEntry.model_validate(entry) for entry in state.story]
    sentences = summarize(story, detected=state.detected)
    if not turn.config.asks_model:
        turn.emit(SummaryWritten(sentences=sentences))
        return
    facts = to_summarise(state.id, story, [*state.services, *state.hosts], sentences)
    number = turn.message.id.rpartition(":")[2]
    waiting.begin(turn, f"{state.id}-summary-{number}", {"step": STEP}, facts)


def finish(turn: IncidentTurn, advice: Advice) -> None:
    """Write the summary with what the model adds."""
    story = [TimelineEntry.model_validate(entry) for entry in turn.state.story]
    sentences = with_advice(summarize(story, detected=turn.state.detected), advice, story)
    turn.emit(SummaryWritten(sentences=sentences, engine=advice.engine, degraded=advice.degraded))
