"""A kind of aggregate that does what its messages say, so that a test of the store reads as one page.

The body of a message is a mapping; `do` below names what it may ask for. The state is a log of what was decided, in
order, so a test compares lists.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from shared.events.envelope import Outgoing
from shared.store.model import (
    ACTIVITY_DONE,
    ACTIVITY_LATE,
    ACTIVITY_LOST,
    JSON,
    TIMER,
    Activity,
    Decision,
    Incoming,
    Lane,
    Local,
    Message,
    Record,
    Row,
    Timer,
)
from shared.store.port import Store

NOTES = Table(
    "note",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("size", BigInteger),
)
"""A service's own table."""

Value = TypeVar("Value")


class Script:
    """An aggregate whose messages carry what to decide."""

    def __init__(self, name: str, lane: Lane = Lane.NORMAL) -> None:
        self.name = name
        self.lane = lane

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        del state
        for message in messages:
            if _do(message).get("raise_in_needs"):
                raise KeyError("needs")
        return {key for message in messages for key in _do(message).get("read", ())}

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        decision = Decision(state or {"log": []})
        known = dict(rows)
        for message in messages:
            self._one(config, decision, known, message, now)
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        if _do(message).get("raise_on_dead"):
            raise RuntimeError("on_dead fails too")
        decision = Decision(state or {"log": []})
        decision.state["log"].append(["dead", message.id, reason.partition(":")[0]])
        return decision

    def _one(self, config: JSON, decision: Decision, rows: dict[str, JSON], message: Message, now: float) -> None:
        do = _do(message)
        if "fail" in do:
            raise ValueError(do["fail"])
        decision.state["log"].append(_entry(message, do, rows, config))
        if "pad" in do:
            decision.state["pad"] = "x" * do["pad"]
        if "slow" in do:
            time.sleep(do["slow"])
        for key, value in do.get("rows", {}).items():
            rows[key] = value
            decision.rows[key] = Row(value, do.get("expires"))
        decision.events += [_event(event) for event in do.get("events", ())]
        decision.messages += [Local(*local) for local in do.get("locals", ())]
        decision.activities += [Activity(**activity) for activity in do.get("activities", ())]
        decision.timers |= {
            name: None if due is None else Timer(now + due if due < 1e6 else due, _timer_body(message, do))
            for name, due in do.get("timers", {}).items()
        }
        decision.audit += do.get("audit", ())
        decision.records += [Record(**record) for record in do.get("records", ())]
        if "reply" in do:
            decision.replies[message.id] = do["reply"]


def _do(message: Message) -> dict[str, Any]:
    return message.body if isinstance(message.body, dict) else {}


def _timer_body(message: Message, do: Mapping[str, Any]) -> JSON:
    return None if do.get("timer_body_missing") else {"set_by": message.id}


def _entry(message: Message, do: Mapping[str, Any], rows: Mapping[str, JSON], config: JSON) -> list[Any]:
    if message.type == TIMER:
        return [TIMER, message.body["name"], message.body["body"]["set_by"]]
    if message.type in {ACTIVITY_DONE, ACTIVITY_LOST, ACTIVITY_LATE}:
        return [message.type, message.body["id"], message.body.get("result")]
    entry: list[Any] = [message.type, message.id]
    if "read" in do:
        entry.append({key: rows.get(key) for key in do["read"]})
    if do.get("tell_config"):
        entry.append(config)
    if do.get("tell_meta"):
        entry.append(dict(message.meta))
    return entry


def _event(event: Mapping[str, Any]) -> Outgoing:
    given = {"topic": "things.v1", "key": "k", "type": "thing.happened", "body": {}, "environment": "live"}
    return Outgoing(**{**given, **event})


KINDS = (Script("doc"), Script("gate", Lane.URGENT))
"""`doc/...` waits behind `gate/...`."""


def say(aggregate: str, message_id: str, *, resend: int = 0, kind: str = "said", **do: JSON) -> Incoming:
    """Return a message that makes `aggregate` do what the keywords say."""
    return Incoming(aggregate, message_id, kind, orjson.dumps(do), resend=resend)


async def log_of(store: Store, aggregate: str) -> list[Any]:
    """Return what an aggregate decided so far."""
    state = await store.state(aggregate)
    return list(state["log"]) if state else []


async def eventually(condition: Callable[[], Awaitable[Value]], limit: float = 30.0) -> Value:
    """Return the first true value of `condition`, asked again and again. Fails after `limit` seconds."""
    end = time.monotonic() + limit
    while not (value := await condition()):
        assert time.monotonic() < end, f"not true within {limit} s; last value: {value!r}"
        await asyncio.sleep(0.01)
    return value


async def logged(store: Store, aggregate: str, count: int) -> list[Any]:
    """Return the log of an aggregate once it has at least `count` entries."""

    async def enough() -> list[Any]:
        log = await log_of(store, aggregate)
        return log if len(log) >= count else []

    return await eventually(enough)
