"""What people ask about an incident is answered from what is known, and a model may add to it in time."""

from __future__ import annotations

from services.diagnoser.domain.advice import Advice, StepName, unasked
from services.diagnoser.domain.advising import to_answer
from services.diagnoser.domain.answering import answer, with_advice
from services.diagnoser.domain.knowing import Known, Seen
from services.diagnoser.handlers import waiting
from services.diagnoser.handlers.incident_turn import IncidentTurn
from services.diagnoser.handlers.investigating import SEEN_ROW
from shared.events.incidents import IncidentRequestRefused
from shared.events.investigations import RecommendationMade
from shared.events.people import QuestionAsked
from shared.incident.enums import Stage
from shared.incident.incident import TimelineEntry
from shared.store.model import JSON

STEP: StepName = "answer"


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
    known = _known(turn)
    answered = answer(question.request_id, question.text, known, asked_by=turn.message.id)
    if not turn.config.asks_model:
        turn.emit(answered)
        return
    if waiting.is_full(turn):
        turn.emit(with_advice(answered, unasked("busy: others are answered"), known, seen=answered.investigation_id))
        return
    about = {"step": STEP, "question": question.model_dump(mode="json"), "seen": answered.investigation_id}
    facts = to_answer(state.id, question.text, known, answered)
    waiting.begin(turn, f"{state.id}-{question.request_id}", about, facts)


def finish(turn: IncidentTurn, about: JSON, advice: Advice) -> None:
    """Answer with what the model adds, as far as it still holds."""
    question, known = QuestionAsked.read(about["question"]), _known(turn)
    answered = answer(question.request_id, question.text, known, asked_by=about["cause"])
    turn.emit(with_advice(answered, advice, known, seen=about["seen"]))


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
