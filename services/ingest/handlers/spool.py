"""The spool as an aggregate of the store: one for each key, which passes deliveries on through the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import orjson

from shared.bus.port import WireRecord
from shared.events.envelope import Outgoing, read_headers
from shared.store.model import JSON, Decision, Incoming, Lane, Message

KIND = "spool"


def spooled(record: WireRecord) -> Incoming:
    """Return a record as a message to the spool of its key."""
    return Incoming(
        aggregate=f"{KIND}/{record.key}",
        id=record.headers["ce_id"],
        type=read_headers(record.headers).type,
        body=orjson.dumps({"topic": record.topic, "key": record.key, "body": orjson.loads(record.body)}),
        meta={
            "environment": record.headers["ce_environment"],
            "traceparent": record.headers.get("ce_traceparent", ""),
        },
    )


class Spool:
    """Passes on what it is given, in order, under the id it came with."""

    name = KIND
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Look at no rows."""
        del state, messages
        return ()

    def decide(
        self,
        config: object,
        state: JSON,
        rows: Mapping[str, JSON],
        messages: Sequence[Message],
        now: float,
    ) -> Decision:
        """Emit each message again."""
        del config, rows, now
        events = [
            Outgoing(
                topic=message.body["topic"],
                key=message.body["key"],
                type=message.type,
                body=message.body["body"],
                environment=message.meta["environment"],
                traceparent=message.meta.get("traceparent", ""),
                id=message.id,
            )
            for message in messages
        ]
        return Decision(state={"passed": (state or {"passed": 0})["passed"] + len(events)}, events=events)

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Keep the count; the message is in the dead letters with its body."""
        del message, reason
        return Decision(state=state or {"passed": 0})
