"""The audit chain of sign-ins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from services.notifier.domain.config import Config
from shared.store.model import JSON, Decision, Lane, Message

KIND = "signins"
AGGREGATE = f"{KIND}/all"


class SignIns:
    """Chains who signed in and out, how, and when. Never holds a token."""

    name = KIND
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return nothing."""
        del state, messages
        return ()

    def decide(
        self, config: Config, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        """Chain each, and answer: a session may begin only once it is written down."""
        del config, rows, now
        return Decision(
            {"count": (state or {"count": 0})["count"] + len(messages)},
            audit=[{"what": message.type, **message.body} for message in messages],
            replies={message.id: {"kept": True} for message in messages},
        )

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Refuse it."""
        return Decision(state, replies={message.id: {"error": "refused", "detail": reason}})
