"""What people submit, and waiting for the executor's ruling on it."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifier.handlers.incident_state import Turn, Waiting
from shared.events.people import DecisionSubmitted, FeedbackGiven, IncidentRequested, QuestionAsked
from shared.lifecycle.timeline import Told
from shared.store.model import Message, Timer

DECIDE = "decide"
REQUEST = "request"
TIMER_NAME = "ruling"
Asked = type[IncidentRequested] | type[QuestionAsked] | type[FeedbackGiven]
_REQUESTS: Mapping[str, Asked] = {kind.type: kind for kind in (IncidentRequested, QuestionAsked, FeedbackGiven)}
RESENDS_MAX = 3


def decision_id(nonce: str) -> str:
    """Return the id of the event that carries a decision; the executor's ruling names it."""
    return f"notifier/decision/{nonce}"


def request_event_id(request_id: str) -> str:
    """Return the id of the event that carries a request."""
    return f"notifier/request/{request_id}"


def decide(turn: Turn, message: Message) -> None:
    """Submit a signed decision, and wait for the ruling."""
    body = message.body
    submitted = DecisionSubmitted(decision=body["decision"], signature=body["signature"])
    found = decision_id(body["nonce"])
    turn.emit(submitted, event_id=found)
    due = turn.now + turn.config.answer_seconds
    turn.state.waiting[found] = Waiting(body=submitted.model_dump(mode="json"), due=due)
    turn.decision.audit.append(
        {"what": "decision_submitted", "decision": body["decision"], "signature": body["signature"]}
    )
    turn.decision.replies[message.id] = {"decision_id": found}
    _wake(turn)


def request(turn: Turn, message: Message) -> None:
    """Pass on what a person asks of the incident, asks about it, or says of its diagnosis."""
    asked = _REQUESTS[message.body["type"]].read(message.body["payload"])
    turn.emit(asked, event_id=request_event_id(asked.request_id))
    entry = {"what": asked.type, "request": asked.request_id, "actor": asked.actor.id}
    for name in ("verb", "verdict"):
        entry |= {name: getattr(asked, name)} if hasattr(asked, name) else {}
    turn.decision.audit.append(entry)
    turn.decision.replies[message.id] = {"request_id": asked.request_id}


def ruled(turn: Turn, event: Told) -> None:
    """Wait no longer for the decision that this event answers: by naming it, or by being caused by it."""
    state = turn.state
    for answered in (str(event.body.get("decision_id")), event.causation):
        if state.waiting.pop(answered, None) is not None:
            _wake(turn)
        if answered in state.silent:
            state.silent.remove(answered)
            turn.written = True


def on_timer(turn: Turn) -> None:
    """Send what has waited too long again, three times; then the page says that nobody answers."""
    for found, waiting in list(turn.state.waiting.items()):
        if turn.now < waiting.due:
            continue
        if waiting.resends >= RESENDS_MAX:
            del turn.state.waiting[found]
            turn.state.silent.append(found)
            turn.decision.audit.append({"what": "no_ruling", "decision": found})
            turn.written = True
            continue
        waiting.resends += 1
        waiting.due = turn.now + turn.config.answer_seconds
        turn.emit(DecisionSubmitted.read(waiting.body), event_id=found, resend=waiting.resends)
    _wake(turn)


def _wake(turn: Turn) -> None:
    due = min((waiting.due for waiting in turn.state.waiting.values()), default=None)
    turn.decision.timers[TIMER_NAME] = None if due is None else Timer(due)
