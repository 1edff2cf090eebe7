"""The spool as a few aggregates of the store, which pass deliveries on through the outbox. A key is always in one."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence

import orjson

from shared.bus.port import WireRecord
from shared.events.envelope import Outgoing, read_headers
from shared.store.model import JSON, Decision, Incoming, Lane, Message

KIND = "spool"
PARTS = 16
"""Frozen while a spool holds anything: another number could let a message overtake an earlier one of its key."""


def spooled(record: WireRecord) -> Incoming:
    """Return a record as a message to the part of the spool that its key is in."""
    return Incoming(
        aggregate=f"{KIND}/{zlib.crc32(record.key.encode()) % PARTS}",
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
