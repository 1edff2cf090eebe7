"""The aggregate `incident/<id>` of the executor: plans, approvals, execution, verification."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from services.executor.domain.config import ExecutorConfig
from services.executor.domain.policy import Policy
from services.executor.domain.state import Cancel, Case, Execution
from services.executor.handlers import approving, asking, directing, executing, planning, settling, stepping, verifying
from services.executor.handlers.doubting import RECORD
from services.executor.handlers.ending import VERIFY, VERIFY_END
from services.executor.handlers.governor import GRANTED, REFUSED
from services.executor.handlers.parking import park
from services.executor.handlers.turn import Turn
from shared.events.incidents import IncidentClosed, IncidentReopened, IncidentSourceRecovered
from shared.events.investigations import RecommendationMade, RecommendationSuperseded
from shared.events.people import DecisionSubmitted, NoticePosted
from shared.runtime.people import People
from shared.store.model import (
    ACTIVITY_DONE,
    ACTIVITY_LATE,
    ACTIVITY_LOST,
    JSON,
    TIMER,
    Decision,
    Lane,
    Message,
)

Handler = Callable[[Turn], None]


class Incident:
    """Plans what was recommended, asks people, runs what they approved, verifies it, and undoes it if need be."""

    name = "incident"
    lane = Lane.URGENT

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return the rows of earlier rulings and answers that the messages, or what waits, may get again."""
        bodies = [message.body for message in messages if message.type == DecisionSubmitted.type]
        made = [_recommendation(message.body) for message in messages if message.type == RecommendationMade.type]
        if state:
            bodies += [one["body"] for one in state["waiting"]]
            made += [(state["proposal"] or {}).get("id", "")]
        keys = {approving.nonce_key(body) for body in bodies}
        return keys | {asking.answer_key(one) for one in made if one}

    def decide(
        self,
        config: ExecutorConfig,
        state: JSON,
        rows: Mapping[str, JSON],
        messages: Sequence[Message],
        now: float,
    ) -> Decision:
        """Take the messages in order. The first recommendation or decision begins the case."""
        decision = Decision(state)
        case = Case.model_validate(state) if state else None
        kept = dict(rows)
        for message in messages:
            case = case or _begun(message)
            if case is None:
                continue
            _take(Turn(config, case, message, now, decision, kept))
        decision.state = case.model_dump(mode="json") if case else state
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Park: no new intent. A call whose result cannot be taken is in doubt; a person is asked to look."""
        case = Case.model_validate(state) if state else _begun(message)
        decision = Decision(state)
        if case is None:
            return decision
        park(Turn(ExecutorConfig(Policy(), People(people=()), {}), case, message, 0.0, decision), reason)
        decision.state = case.model_dump(mode="json")
        return decision


def _begun(message: Message) -> Case | None:
    """Return the case at its first message; nothing but a recommendation or a decision begins one."""
    subject, environment = message.meta.get("subject", ""), message.meta.get("environment", "")
    if message.type not in (RecommendationMade.type, DecisionSubmitted.type) or not subject or not environment:
        return None
    return Case(incident_id=subject, environment=environment)


def _recommendation(body: JSON) -> str:
    return str(body.get("recommendation_id", "")) if isinstance(body, dict) else ""


def _take(turn: Turn) -> None:
    message, case = turn.message, turn.case
    if message.type in (ACTIVITY_DONE, TIMER):
        handler = _TIMERS.get(message.body["name"]) if message.type == TIMER else _done
    else:
        handler = _MESSAGES.get(message.type)
    if message.type == RecommendationMade.type and case.is_blank:
        # Until here the environment was only what a decision said, which may be forged.
        case.environment = message.meta.get("environment", "") or case.environment
    environment = message.meta.get("environment", case.environment)
    if handler is None or (environment != case.environment and message.type != DecisionSubmitted.type):
        return
    handler(turn)
    approving.reconsider(turn)


def _done(turn: Turn) -> None:
    """Hand the result of an activity to whoever waits for it; nobody takes one that is not waited for."""
    activity, result = turn.message.body["id"], turn.message.body["result"]
    case, execution = turn.case, turn.case.running
    if case.proposal is not None and activity == case.proposal.awaits:
        planning.prepared(turn, result)
    if execution is None:
        return
    step = execution.current()
    if execution.phase == "calling" and step is not None and activity == step.call_id:
        executing.called(turn, execution, step, result)
    elif activity == execution.awaits:
        _awaited(turn, execution, result)


def _awaited(turn: Turn, execution: Execution, result: dict[str, Any]) -> None:
    step = execution.current()
    if execution.phase == "verifying":
        verifying.was_read(turn, execution, result)
    elif execution.phase == "checking":
        executing.rechecked(turn, execution, result)
    elif execution.phase == "reconciling" and step is not None:
        settling.reconciled(turn, execution, step, result)


def _closed(turn: Turn) -> None:
    """Begin nothing more. What runs stops before its next call; what is being verified is read to its end."""
    case = turn.case
    case.parked = "closed"
    planning.drop(turn, "closed", "the incident was closed")
    if case.running is not None and case.running.phase != "verifying" and case.running.cancel is None:
        directing.stop(turn, case.running, Cancel(reason="the incident was closed"))


def _reopened(turn: Turn) -> None:
    """Work on it again. What was parked for a message that cannot be handled waits for a person, not for an alert."""
    case = turn.case
    case.recovered, case.parked = False, "" if case.parked == "closed" else case.parked


def _noticed(turn: Turn) -> None:
    try:
        asking.noticed(turn)
    except ValidationError:
        # A forged or broken notice must not park the incident; without a sound one people are told again.
        turn.audit("unreadable", message=turn.message.id)


_MESSAGES: Mapping[str, Handler] = {
    RecommendationMade.type: planning.recommended,
    RecommendationSuperseded.type: planning.superseded,
    IncidentSourceRecovered.type: planning.recovered,
    IncidentClosed.type: _closed,
    IncidentReopened.type: _reopened,
    DecisionSubmitted.type: approving.decided,
    NoticePosted.type: _noticed,
    ACTIVITY_LOST: settling.lost,
    ACTIVITY_LATE: settling.late,
    GRANTED: executing.granted,
    REFUSED: executing.refused,
}
_TIMERS: Mapping[str, Handler] = {
    planning.LOOK: planning.prepare,
    asking.EXPIRY: asking.expired,
    asking.REMIND: asking.remind,
    asking.NOTICE: asking.ask_again,
    approving.WAIT: approving.reconsider,
    stepping.RETRY: executing.on_retry,
    stepping.DEADLINE: executing.on_deadline,
    RECORD: settling.no_record,
    VERIFY: verifying.on_timer,
    VERIFY_END: verifying.on_end,
}
