"""What people ask about an incident is answered at once, from what is known."""

from __future__ import annotations

from services.diagnoser.domain.answering import answer
from services.diagnoser.domain.knowing import Known, Seen
from services.diagnoser.handlers.incident_turn import IncidentTurn
from services.diagnoser.handlers.investigating import SEEN_ROW
from shared.events.incidents import IncidentRequestRefused
from shared.events.investigations import RecommendationMade
from shared.events.people import QuestionAsked
from shared.incident.enums import Stage
from shared.incident.incident import TimelineEntry


def ask(turn: IncidentTurn) -> None:
    """Answer a question, or refuse it."""
    question, state = QuestionAsked.read(turn.message.body), turn.state
    why = ""
    if turn.message.meta.get("environment") != state.environment:
        why = f"the incident belongs to {state.environment}"
    elif not state.story:
        why = "the incident has only just been opened; ask again"
    if why:
        refused = IncidentRequestRefused(request_id=question.request_id, verb="ask", why=why, actor=question.actor)
        turn.emit(refused)
        return
    turn.emit(answer(question.request_id, question.text, _known(turn), asked_by=turn.message.id))


def _known(turn: IncidentTurn) -> Known:
    state, seen, standing = turn.state, turn.rows.get(SEEN_ROW), turn.state.recommended
    return Known(
        story=[TimelineEntry.model_validate(entry) for entry in state.story],
        stage=Stage(state.stage),
        services=state.services,
        hosts=state.hosts,
        alerts=state.total,
        firing=state.firing,
        seen=Seen.model_validate(seen) if seen else None,
        proposed=RecommendationMade.read(standing["body"]).recommendations.items if standing else (),
        proposed_by=standing["event_id"] if standing else "",
        detected=state.detected,
    )
