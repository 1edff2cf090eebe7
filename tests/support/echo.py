"""The smallest service that uses everything a service has; the crash suite ends it again and again.

It reads pings from one topic, counts them by key, answers each with an event and a `once` activity, and reads its own
answers and its own dead letters like the next service would. The first ping of a key also starts a `repeatable`
activity and a timer. A ping may be *poison* (never decided), *parking* (poison whose burial fails too) or *unsendable*
(its event names a topic that no bus has). A configuration that is `MENDED` decides them all, so that a requeue
succeeds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from shared.bus.intake import incoming
from shared.bus.port import Received, Subscription, WireRecord
from shared.events.envelope import Outgoing, headers_of
from shared.store.model import ACTIVITY_DONE, JSON, TIMER, Activity, Decision, Incoming, Kind, Lane, Message, Timer
from shared.store.port import Claimed, Store
from shared.store.worker import Handler, Renew
from tests.support.world import append_line

PINGS, ECHOES, LETTERS = "requests.v1", "incidents.v1", "dead-letters.v1"
LEASE = 0.5
"""Far below what a service may use, so that a lost activity is told soon."""
DELAY = 0.2
"""Seconds after the first ping of a key at which its timer fires."""
MENDED = "mended"

Trouble = Literal["", "poison", "parking", "unsendable"]


@dataclass(frozen=True, slots=True)
class Ping:
    """The n-th ping of a key."""

    key: str
    n: int
    trouble: Trouble = ""

    def record(self) -> WireRecord:
        """Return it as an event; the same ping has the same id however often it is sent."""
        event = Outgoing(PINGS, self.key, "echo.ping", {}, "live")
        headers = headers_of(event, event_id=f"ping/{self.key}:{self.n}", source="signoff/test", now=0.0)
        return WireRecord(PINGS, self.key, headers, orjson.dumps({"n": self.n, "trouble": self.trouble}))


class Counter:
    """`counter/<key>`: what was taken in order, what timer and activities told, what died."""

    name = "counter"
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        del state, messages
        return ()

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        del rows
        decision = Decision(state or {"key": "", "taken": [], "timers": [], "activities": [], "dead": []})
        decision.state["at"] = now
        for message in messages:
            if message.type == "echo.ping":
                _ping(decision, config, message, now)
            elif message.type == TIMER:
                decision.state["timers"].append([message.body["body"], now])
            else:
                told = message.body.get("result") if message.type == ACTIVITY_DONE else None
                decision.state["activities"].append([message.body["id"], message.type, told])
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        if message.body["trouble"] == "parking":
            raise ValueError("cannot be buried")
        decision = Decision(state)
        decision.state["dead"].append([message.body["n"], reason])
        return decision


def _ping(decision: Decision, config: JSON, message: Message, now: float) -> None:
    n, trouble, key = message.body["n"], message.body["trouble"], message.meta["subject"]
    if trouble in {"poison", "parking"} and config != MENDED:
        raise ValueError(f"{trouble} {n}")
    decision.state["key"] = key
    decision.state["taken"].append(n)
    decision.audit.append({"took": n})
    decision.events.append(Outgoing(ECHOES, key, "echo.counted", {"n": n}, "live", causation=message.id))
    if trouble == "unsendable":
        decision.events.append(Outgoing("nowhere.v1", key, "echo.counted", {"n": n}, "live"))
    decision.activities.append(Activity(f"act/{key}/{n}", "act", None, kind="once", lease=LEASE))
    if n == 0:
        decision.activities.append(Activity(f"look/{key}", "look", None, lease=LEASE))
        decision.timers["soon"] = Timer(now + DELAY, now + DELAY)


class Heard:
    """`heard/<topic>/<key>`: id, body and instant of the events of a key, in the order they came."""

    name = "heard"
    lane = Lane.URGENT

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        del state, messages
        return ()

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        del config, rows
        return Decision([*(state or []), *([message.id, message.body, now] for message in messages)])

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        del message, reason
        return Decision(state)


KINDS: tuple[Kind, ...] = (Counter(), Heard())


def to_counter(received: Received) -> Incoming:
    """Route a ping to the counter of its key."""
    return incoming(received, f"counter/{received.key}")


def to_heard(received: Received) -> Incoming:
    """Route an answer or a dead letter to what was heard of its key."""
    return incoming(received, f"heard/{received.topic}/{received.key}")


def subscriptions(store: Store) -> list[Subscription]:
    """Return everything the service reads."""
    return [
        Subscription("echo.pings", PINGS, to_counter, store),
        Subscription("echo.heard", ECHOES, to_heard, store),
        Subscription("echo.letters", LETTERS, to_heard, store),
    ]


def handlers(world: Path) -> dict[str, Handler]:
    """Return the activities. Their world is two files that only grow, so what was done there stays done."""

    async def look(claimed: Claimed, _: Renew) -> JSON:
        append_line(world / "looks", claimed.id)
        return "looked"

    async def act(claimed: Claimed, renew: Renew) -> JSON:
        if not await renew():
            return "no call"
        append_line(world / "acts", claimed.id)
        return "acted"

    return {"look": look, "act": act}
