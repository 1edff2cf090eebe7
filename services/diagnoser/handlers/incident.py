"""The incident: everything the diagnoser says about it comes from here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from services.diagnoser.domain.config import Config
from services.diagnoser.handlers import (
    answering,
    closing,
    following,
    investigating,
    joining,
    judging,
    requests,
    telling,
    waiting,
)
from services.diagnoser.handlers.incident_turn import KIND, TELL_TIMER, IncidentState, IncidentTurn
from shared.errors import NotFoundError
from shared.events.investigations import DiagnosisInconclusive
from shared.events.people import FeedbackGiven, IncidentRequested, QuestionAsked
from shared.events.registry import EVENTS
from shared.store.model import ACTIVITY_DONE, JSON, TIMER, Decision, Lane, Message

Turn = Callable[[IncidentTurn], None]

_MESSAGES: Mapping[str, Turn] = {
    "open": joining.open_,
    "attach": joining.attach,
    "recovered": joining.recovered,
    "worsened": joining.worsened,
    "related": joining.related,
    IncidentRequested.type: requests.ask,
    QuestionAsked.type: answering.ask,
    FeedbackGiven.type: judging.judge,
    ACTIVITY_DONE: telling.done,
}
_ASKED = frozenset({IncidentRequested.type, QuestionAsked.type, FeedbackGiven.type})
"""What a person says, and waits for an answer to."""
_TIMERS: Mapping[str, Turn] = {
    investigating.TIMER_NAME: investigating.on_timer,
    closing.TIMER_NAME: closing.on_timer,
    investigating.ANSWER_TIMER: following.on_answer_timer,
    waiting.TIMER_NAME: telling.on_timer,
    TELL_TIMER: IncidentTurn.flush,
}


class Incident:
    """Opens, is investigated, follows the executor, answers people, closes and is summed up."""

    name = KIND
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return the rows of the alerts that the messages name, and those that say which events were folded."""
        del state
        keys: set[str] = set()
        for message in messages:
            if message.type in ("open", "attach"):
                keys.update(joining.row_key(one["alert"]["fingerprint"]) for one in joining.attached(message.body))
            elif message.type == QuestionAsked.type or _ends_waiting(message):
                keys.add(investigating.SEEN_ROW)
            elif message.type == "recovered":
                keys.add(joining.row_key(message.body["fingerprint"]))
            elif message.type in EVENTS:
                keys.add(following.row_key(message.id))
        return keys

    def decide(
        self, config: Config, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        """Take the messages in order.

        What is said of an incident that was never opened here changes nothing. What a person asks of one raises: as a
        dead letter it can be seen, and asked again.
        """
        decision = Decision(state=state)
        turn: IncidentTurn | None = None
        if state is not None:
            turn = IncidentTurn(config, IncidentState.read(state), dict(rows), now, decision, messages[0])
        for message in messages:
            if turn is None and message.type == "open":
                opened = IncidentState(id=message.body["incident"], environment=message.body["environment"])
                turn = IncidentTurn(config, opened, dict(rows), now, decision, message)
            elif message.type == "open":
                continue
            elif turn is None and message.type in _ASKED:
                raise NotFoundError("no such incident: it was never opened here, or it is kept no longer")
            if turn is not None:
                turn.message = message
                _take(turn)
        if turn is not None:
            turn.end()
            decision.state = turn.state.json()
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Wait no longer for an investigation whose result cannot be taken; a person is asked to look."""
        if state is None:
            return Decision(state=None)
        decision = Decision(state=state)
        turn = IncidentTurn(Config(), IncidentState.read(state), {}, 0.0, decision, message)
        if message.type == ACTIVITY_DONE and message.body["id"] == turn.state.investigating:
            result = investigating.failed({"reason": "unusable_result", "detail": reason})
            turn.emit(DiagnosisInconclusive(investigation_id=turn.state.investigating, result=result))
            turn.state.investigating = ""
        decision.state = turn.state.json()
        return decision


def _ends_waiting(message: Message) -> bool:
    """Say whether it is the end of waiting for a model; the timer has the name of the activity."""
    return message.type in (ACTIVITY_DONE, TIMER) and message.body["name"] == waiting.ACTIVITY


def _take(turn: IncidentTurn) -> None:
    message = turn.message
    if message.type == TIMER:
        handler = _TIMERS.get(message.body["name"])
    else:
        handler = _MESSAGES.get(message.type) or (following.follow if message.type in EVENTS else None)
    if handler is not None:
        handler(turn)
