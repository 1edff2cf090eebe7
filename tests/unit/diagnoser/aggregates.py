"""One aggregate in memory: what a store would keep of it between messages."""

from __future__ import annotations

from typing import Any

import orjson

from services.diagnoser.domain.config import Config
from shared.store.model import JSON, TIMER, Decision, Kind, Message, Timer

NOW = 1_800_000_000.0


class Aggregate:
    """Gives messages to a kind and keeps state, rows and timers, each through JSON."""

    def __init__(self, kind: Kind, config: Config) -> None:
        self.kind = kind
        self.config = config
        self.state: JSON = None
        self.rows: dict[str, JSON] = {}
        self.timers: dict[str, Timer] = {}
        self.now = NOW

    def give(self, *messages: Message) -> Decision:
        """Decide one batch."""
        state = orjson.loads(orjson.dumps(self.state))
        needed = self.kind.needs(state, messages)
        rows = {key: self.rows[key] for key in needed if key in self.rows}
        decision = self.kind.decide(self.config, state, orjson.loads(orjson.dumps(rows)), messages, self.now)
        self._keep(decision)
        return decision

    def bury(self, message: Message, reason: str = "broken") -> Decision:
        """Give a message that can never be decided."""
        decision = self.kind.on_dead(orjson.loads(orjson.dumps(self.state)), message, reason)
        self._keep(decision)
        return decision

    def wait(self, seconds: float) -> Decision:
        """Let time pass; the timers that are due then fire in one batch."""
        self.now += seconds
        due = sorted((timer.due, name) for name, timer in self.timers.items() if timer.due <= self.now)
        fired = [
            Message(0, f"!{name}@{when}", TIMER, {"name": name, "body": self.timers[name].body}) for when, name in due
        ]
        for _, name in due:
            del self.timers[name]
        return self.give(*fired) if fired else Decision(self.state)

    def _keep(self, decision: Decision) -> None:
        self.state = orjson.loads(orjson.dumps(decision.state))
        for key, row in decision.rows.items():
            self.rows[key] = orjson.loads(orjson.dumps(row.value))
        for name, timer in decision.timers.items():
            if timer is None:
                self.timers.pop(name, None)
            else:
                self.timers[name] = timer


def message(message_id: str, type_: str, body: Any, *, environment: str = "sim:t", **meta: str) -> Message:  # noqa: ANN401 -- any JSON
    """Return a message as it lies in an inbox."""
    return Message(1, message_id, type_, orjson.loads(orjson.dumps(body)), {"environment": environment, **meta})
