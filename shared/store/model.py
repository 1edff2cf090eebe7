"""What the author of a service writes: messages in, decisions out, pure kinds of aggregates in between.

A transition is `needs(state, messages) -> row keys`, then `decide(config, state, rows, messages, now) -> Decision`. It
takes the consecutive due messages of one aggregate, touches no other aggregate and does no I/O. What it causes is all
in its Decision, and commits with it or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from shared.events.envelope import Outgoing

JSON = Any
"""Any value that JSON can hold."""

BATCH_MAX = 500
"""Messages of one aggregate that one transition takes."""
STATE_MAX = 256 * 1024
"""Bytes of the JSON text of an aggregate's state."""
DECIDE_BUDGET = 0.020
"""Seconds one batch may spend in `decide`; more raises an alarm, nothing is cut."""

TIMER = "timer"
ACTIVITY_DONE = "activity.done"
ACTIVITY_LOST = "activity.lost"
ACTIVITY_LATE = "activity.late"


class Lane(IntEnum):
    """Approvals and execution are urgent; everything else waits behind them."""

    NORMAL = 0
    URGENT = 1


class Message(NamedTuple):
    """One message in the inbox of an aggregate.

    `type` is an event type, the name of a local message or command, `timer` (body: name and what was stored with it),
    or `activity.done | lost | late` (body: id, name, result). `meta` is the envelope of an event (`environment`,
    `causation`, `traceparent`, `source`, `time`, `resend`), empty for what is born inside. `seq` is 0 for a timer.
    """

    seq: int
    id: str
    type: str
    body: JSON
    meta: Mapping[str, str] = MappingProxyType({})


class Incoming(NamedTuple):
    """A message on its way into an inbox. `body` is JSON text as it came; (id, resend) is taken once for ever."""

    aggregate: str
    """`kind/id`, such as `incident/INC-ABC` or `scope/live`."""
    id: str
    type: str
    body: bytes
    meta: Mapping[str, str] = MappingProxyType({})
    resend: int = 0


class Row(NamedTuple):
    """The new value of one row; `None` deletes it. `expires` is seconds since the epoch."""

    value: JSON
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """A message to a sibling aggregate of the same service. Its id must follow from what caused it."""

    aggregate: str
    id: str
    type: str
    body: JSON


@dataclass(frozen=True, slots=True)
class Activity:
    """Work outside the database, started by this commit.

    `repeatable` work is claimed again when its lease ends. `once` work is claimed one time only; when its lease ends
    without a result the aggregate gets `activity.lost`. The lease must outlive the call's time limit by 30 s. `id` is
    unique in the service while the work is there: starting it again changes nothing.
    """

    id: str
    name: str
    args: JSON
    kind: Literal["repeatable", "once"] = "repeatable"
    lease: float = 60.0
    not_before: float | None = None


@dataclass(frozen=True, slots=True)
class Timer:
    """A message to oneself at `due` (seconds since the epoch); never early."""

    due: float
    body: JSON = None


class Record(NamedTuple):
    """An insert-or-replace by primary key into a table the service registered with its store.

    `feed` names the scope in the change feed (an incident id); readers of the feed see it after the commit, in order.
    """

    table: str
    values: Mapping[str, Any]
    feed: str = ""


@dataclass(slots=True)
class Decision:
    """Everything a transition causes."""

    state: JSON
    rows: dict[str, Row] = field(default_factory=dict)
    events: list[Outgoing] = field(default_factory=list)
    messages: list[Local] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    timers: dict[str, Timer | None] = field(default_factory=dict)
    """Set or replace a timer by name; None cancels it."""
    audit: list[JSON] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    replies: dict[str, JSON] = field(default_factory=dict)
    """Answers to commands, by message id."""


class Kind(Protocol):
    """One kind of aggregate. All three methods are pure; `state` is None before the first message.

    `needs` of a batch must name every row that deciding its messages one by one would name.
    """

    name: str
    lane: Lane

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return the keys of the rows that `decide` will look at."""
        ...

    def decide(
        self,
        config: Any,  # noqa: ANN401 -- the service's frozen configuration, of its own type
        state: JSON,
        rows: Mapping[str, JSON],
        messages: Sequence[Message],
        now: float,
    ) -> Decision:
        """Return what `messages` cause. May change `state` in place; absent rows are not in `rows`."""
        ...

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Return what it causes that `message` can never be decided. If this raises too, the aggregate is parked."""
        ...
