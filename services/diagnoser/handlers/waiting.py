"""What waits for a model: it is said within a limit, with what the model adds or without it."""

from __future__ import annotations

from services.diagnoser.domain.advice import Facts
from services.diagnoser.handlers.incident_turn import IncidentTurn
from shared.store.model import JSON, Activity

ACTIVITY = TIMER_NAME = "tell"
WITHIN = 20.0
"""Seconds after which it is said without the model, whatever has become of it; people wait 30 for an answer."""
LIMIT = 18.0
"""Seconds for the model."""
LEASE = 60.0
WAITING_MAX = 8


def is_full(turn: IncidentTurn) -> bool:
    """Say whether as much waits as may."""
    return len(turn.state.waiting) >= WAITING_MAX


def begin(turn: IncidentTurn, name: str, about: JSON, facts: Facts) -> None:
    """Ask the model. `about` is what is needed to say it without: its `step` and that step's own."""
    due = turn.now + WITHIN
    turn.state.waiting[name] = {**about, "due": due, "cause": turn.cause}
    arguments = {"step": about["step"], "facts": facts.model_dump(mode="json")}
    turn.decision.activities.append(Activity(name, ACTIVITY, arguments, lease=LEASE))
    wake(turn)


def wake(turn: IncidentTurn) -> None:
    """Wake up when the first that waits has waited long enough."""
    turn.wake(TIMER_NAME, min((about["due"] for about in turn.state.waiting.values()), default=None))
