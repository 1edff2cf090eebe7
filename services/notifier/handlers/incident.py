"""The incident: everything that happens to it is kept, shown, told, and answered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from services.notifier.domain.believing import SUFFIX, disbelieved, doubt
from services.notifier.domain.config import Config
from services.notifier.domain.overview import Overview
from services.notifier.handlers import answering, telling
from services.notifier.handlers.incident_state import KIND, IncidentState, Turn, event_key, told
from shared.events.approvals import ApprovalGranted, ApprovalRequested
from shared.events.executions import HandoffRequested
from shared.lifecycle.timeline import Told
from shared.store.model import ACTIVITY_DONE, JSON, TIMER, Decision, Lane, Message, Record

REFOLDED = "refolded"

_COMMANDS: Mapping[str, Callable[[Turn, Message], None]] = {
    answering.DECIDE: answering.decide,
    answering.REQUEST: answering.request,
    ACTIVITY_DONE: telling.posted,
}


class Incident:
    """Keeps the journal, moves the read model, tells channels, and waits for rulings."""

    name = KIND
    lane = Lane.URGENT
    """A question that waits here is not asked; a decision that waits here is not made."""

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return the rows that say which of these events the journal holds already."""
        del state
        return [event_key(message.id + end) for message in messages for end in ("", SUFFIX)]

    def decide(
        self, config: Config, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        """Take the messages in order; write the read model and tell channels once, of the newest."""
        decision = Decision(state)
        known = IncidentState.model_validate(state) if state else _first(messages)
        if known is None:
            decision.replies = {m.id: {"error": "not_found"} for m in messages if m.type in _COMMANDS}
            return decision
        turn = Turn(config, known, dict(rows), now, decision)
        for message in messages:
            _take(turn, message)
        telling.tell(turn)
        turn.finish()
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Go on without it; what nobody can read is in the dead letters."""
        decision = Decision(state, audit=[{"dead": message.id, "type": message.type, "reason": reason}])
        if message.type in _COMMANDS:
            decision.replies = {message.id: {"error": "refused", "detail": reason}}
        return decision


def _first(messages: Sequence[Message]) -> IncidentState | None:
    """Return the state at the first event; nothing else can begin an incident."""
    event = next((m for m in messages if m.meta.get("environment")), None)
    if event is None:
        return None
    return IncidentState(id=event.meta.get("subject", ""), environment=event.meta["environment"])


def _take(turn: Turn, message: Message) -> None:
    if message.type == TIMER:
        answering.on_timer(turn)
    elif message.type == REFOLDED:
        _refold(turn, message)
    elif message.type in _COMMANDS:
        _COMMANDS[message.type](turn, message)
    elif message.meta.get("environment") == turn.state.environment:
        # An event that says another environment is forged or lost its way: nothing crosses environments.
        _consume(turn, message)


def _consume(turn: Turn, message: Message) -> None:
    event = told(message)
    state = turn.state
    why = doubt(event, keys=turn.config.keys, granted=state.granted, met=state.met)
    if why:
        if turn.journal(disbelieved(event, why)):
            turn.decision.audit.append({"what": "disbelieved", "record": event.id, "says": event.type, "why": why})
        return
    if turn.journal(event) and event.type == ApprovalRequested.type:
        values = {"id": str(event.body.get("approval_id")), "incident_id": turn.state.id}
        turn.decision.records.append(Record("approval", values))
    _remember(state, event)
    answering.ruled(turn, event)
    telling.asked_again(turn, message)


def _remember(state: IncidentState, event: Told) -> None:
    """Remember what later records may rest on."""
    if event.type == ApprovalGranted.type and event.body["approval_id"] not in state.granted:
        state.granted.append(event.body["approval_id"])
    execution = event.body.get("execution_id")
    if execution and event.type != HandoffRequested.type and execution not in state.met:
        state.met.append(execution)


def _refold(turn: Turn, message: Message) -> None:
    """Take an overview that was folded anew by other rules, unless the incident went on meanwhile."""
    if message.body["n"] == turn.state.n:
        turn.state.overview = Overview.model_validate(message.body["overview"])
        turn.written = True
