"""Requests that belong to no incident yet: open one by hand, silences, questions. One aggregate for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from services.notifier.domain.config import Config
from services.notifier.handlers.answering import request_event_id
from shared.events.registry import EVENTS
from shared.store.model import JSON, Decision, Lane, Message

KIND = "request"


class Request:
    """Sends one request on, once, and remembers it in an audit chain."""

    name = KIND
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return nothing."""
        del state, messages
        return ()

    def decide(
        self, config: Config, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        """Send the first; a repeat changes nothing and gets the same answer."""
        del config, rows, now
        decision = Decision(state)
        for message in messages:
            request_id = message.body["payload"]["request_id"]
            if decision.state is None:
                payload = EVENTS[message.type].read(message.body["payload"])
                sent = payload.outgoing(request_id, environment=message.body["environment"])
                decision.events.append(replace(sent, id=request_event_id(request_id)))
                decision.audit.append({"what": message.type, "payload": message.body["payload"]})
                decision.state = {"sent": True}
            decision.replies[message.id] = {"request_id": request_id}
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Refuse it."""
        return Decision(state or {"sent": False}, replies={message.id: {"error": "refused", "detail": reason}})
