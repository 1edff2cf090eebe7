"""What the topic says of an incident: the story as everybody reads it, and the executor's answers."""

from __future__ import annotations

from services.diagnoser.domain.knowing import HEARD
from services.diagnoser.domain.last_word import after, is_open
from services.diagnoser.domain.summary import keep
from services.diagnoser.handlers import closing
from services.diagnoser.handlers.incident_turn import IncidentTurn
from services.diagnoser.handlers.investigating import ANSWER_TIMER
from services.diagnoser.handlers.joining import ROW_KEPT
from shared.events.incidents import IncidentClosed, IncidentServiceSilent
from shared.events.investigations import RecommendationMade
from shared.events.registry import EVENTS
from shared.incident.enums import Stage
from shared.lifecycle.stage import Progress, advance
from shared.lifecycle.timeline import Told, entry
from shared.store.model import Row

EXECUTOR = "executor"
ANSWERS = "plan.refused | approval.requested | execution.started"


def row_key(event_id: str) -> str:
    """Return the row that says that an event was folded."""
    return f"event/{event_id}"


def follow(turn: IncidentTurn) -> None:
    """Fold one event of `incidents.v1`, once: what was sent again is new only if it did not arrive before."""
    message, state, key = turn.message, turn.state, row_key(turn.message.id)
    if key in turn.rows or message.meta.get("environment") != state.environment:
        return
    turn.rows[key] = 1
    turn.decision.rows[key] = Row(1, turn.now + ROW_KEPT)
    owner = EVENTS[message.type].owner if message.type in EVENTS else ""
    debts = after(state.debts, message.type, message.body) if owner == EXECUTOR else state.debts
    progress = advance(Progress(Stage(state.stage), state.stage_recovered), message.type, message.body)
    state.stage, state.stage_recovered = progress.stage.value, progress.recovered
    _tell(turn)
    state.debts = debts
    if message.type == RecommendationMade.type and state.recommended is not None:
        if message.body["recommendation_id"] == state.recommended["id"]:
            state.recommended["event_id"] = message.id
    elif message.type == IncidentClosed.type:
        closing.summarize_once(turn)
    closing.consider(turn)


def on_answer_timer(turn: IncidentTurn) -> None:
    """Send a recommendation again that the executor has not answered; after the last time say that it is silent."""
    standing, config = turn.state.recommended, turn.config
    if standing is None or not is_open(turn.state.debts, standing["id"]):
        return
    if not standing["event_id"]:
        # It has not even come back from the bus, so the bus is away, not the executor.
        turn.wake(ANSWER_TIMER, turn.now + config.answer_within)
    elif standing["resends"] < config.answer_resends:
        standing["resends"] += 1
        turn.emit_again(standing["event_id"], RecommendationMade.type, standing["body"], standing["resends"])
        turn.wake(ANSWER_TIMER, turn.now + config.answer_within)
    else:
        turn.emit(IncidentServiceSilent(service=EXECUTOR, waiting_for=ANSWERS, event_id=standing["event_id"]))


def _tell(turn: IncidentTurn) -> None:
    meta = turn.message.meta
    told = Told(
        id=turn.message.id,
        type=turn.message.type,
        time=meta.get("time", ""),
        source=meta.get("source", ""),
        body=turn.message.body,
        causation=meta.get("causation", ""),
    )
    line = entry(told) if told.type in HEARD else None
    if line is not None:
        turn.state.story = keep(turn.state.story, line.model_dump(mode="json"))
