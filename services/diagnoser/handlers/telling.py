"""The end of waiting for a model: an answer or a summary is said, once."""

from __future__ import annotations

from services.diagnoser.domain.advice import Advice, unasked
from services.diagnoser.handlers import answering, closing, investigating, waiting
from services.diagnoser.handlers.incident_turn import IncidentTurn
from shared.store.model import JSON


def done(turn: IncidentTurn) -> None:
    """Take the result of an activity: of an investigation, or what a model adds."""
    body = turn.message.body
    if body["name"] != waiting.ACTIVITY:
        investigating.concluded(turn)
        return
    result = body["result"]
    investigating.keep(turn, body["id"], result.get("kept"))
    if body["id"] in turn.state.waiting:
        error = result.get("error")
        _end(turn, body["id"], unasked(_why(error)) if error else Advice.model_validate(result))


def on_timer(turn: IncidentTurn) -> None:
    """Say what has waited long enough; what the model adds later is not said any more."""
    late = [name for name, about in turn.state.waiting.items() if about["due"] <= turn.now]
    for name in late:
        _end(turn, name, unasked(f"timeout: the model has not answered within {waiting.WITHIN:g} s"))
    waiting.wake(turn)


def _end(turn: IncidentTurn, name: str, advice: Advice) -> None:
    about = turn.state.waiting.pop(name)
    waiting.wake(turn)
    # It follows from what was asked, whoever brought it about that it is said now.
    turn.message = turn.message._replace(body={**turn.message.body, "cause": about["cause"]})
    if about["step"] == answering.STEP:
        answering.finish(turn, about, advice)
    else:
        closing.finish(turn, advice)


def _why(error: JSON) -> str:
    return f"{error.get('reason', 'error')}: {error.get('detail', '')}"
