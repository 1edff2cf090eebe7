"""From records to messages in inboxes, the same for both buses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson

from shared.bus.port import Received, Subscription
from shared.errors import UnavailableError
from shared.events.registry import EVENTS
from shared.store.failpoints import reach
from shared.store.model import Incoming
from shared.telemetry.metrics import IGNORED, IGNORED_FIELDS

HIGH_WATER = 50_000
"""Messages waiting in a store at which its subscriptions stop reading."""
HIGH_WATER_POLL = 0.05
BACKOFF_FIRST, BACKOFF_MAX = 0.1, 5.0

_FIELDS = {name: frozenset(payload.model_fields) for name, payload in EVENTS.items()}


def incoming(received: Received, aggregate: str) -> Incoming:
    """Return a record as a message to `aggregate`. A record without an id gets one from its place."""
    envelope = received.envelope
    meta = {
        "environment": envelope.environment,
        "causation": envelope.causation,
        "correlation": envelope.correlation,
        "traceparent": envelope.traceparent,
        "source": envelope.source,
        "time": envelope.time,
        "subject": envelope.subject or received.key,
    }
    return Incoming(
        aggregate=aggregate,
        id=envelope.id or f"{received.topic}/{received.partition}/{received.offset}",
        type=envelope.type,
        body=received.body,
        meta={name: value for name, value in meta.items() if value},
        resend=envelope.resend,
    )


def routed(subscription: Subscription, records: Sequence[Received]) -> list[Incoming]:
    """Return what a service acts on, in order; the rest is counted."""
    messages, unknown = [], 0
    for record in records:
        message = subscription.route(record)
        if message is None:
            event_type = record.envelope.type
            IGNORED.labels(subscription.name, event_type if event_type in EVENTS else "unknown").inc()
        else:
            messages.append(message)
            unknown += _unknown_fields(record)
    IGNORED_FIELDS.labels(subscription.name).inc(unknown)
    return messages


def _unknown_fields(record: Received) -> int:
    """Return how many headers and fields of the body are nothing to this version."""
    known = _FIELDS.get(record.envelope.type)
    try:
        body = orjson.loads(record.body) if known else None
    except ValueError:
        body = None  # The aggregate's transition says so.
    fields = sum(name not in known for name in body) if known and isinstance(body, dict) else 0
    return len(record.envelope.unknown) + fields


async def take(subscription: Subscription, records: Sequence[Received], *, offset: int = 0) -> None:
    """Put records into inboxes, once and for all; wait while the database is away.

    `offset` is stored in the same transaction for a log that keeps no offsets itself (0: it does).
    """
    messages = routed(subscription, records)
    name = subscription.name if offset else ""
    if not messages and not offset:
        return
    pause = BACKOFF_FIRST
    while True:
        try:
            reach("intake.before_take")
            await subscription.store.take(messages, subscription=name, offset=offset)
            reach("intake.after_take")
        except UnavailableError:
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MAX)
        else:
            return


async def below_high_water(subscription: Subscription, high_water: int) -> None:
    """Return when the store has room for more."""
    while not subscription.above_high_water and subscription.store.waiting() >= high_water:  # noqa: ASYNC110 -- the count is the store's; nobody rings when it falls
        await asyncio.sleep(HIGH_WATER_POLL)
