"""The port of the bus. The embedded log and Kafka pass the same conformance suite (`tests/contract/bus`).

Both give a total order per key, replay from the start, and at-least-once delivery; a reader takes an event id once
because its store does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.events.envelope import Envelope
from shared.store.model import Incoming
from shared.store.port import Store


class WireRecord(NamedTuple):
    """One event on its way out."""

    topic: str
    key: str
    headers: Mapping[str, str]
    body: bytes


class Received(NamedTuple):
    """One record as it came. `body` may be anything; `envelope` is read totally."""

    topic: str
    key: str
    envelope: Envelope
    headers: Mapping[str, str]
    body: bytes
    offset: int
    partition: int = 0


Route = Callable[[Received], Incoming | None]
"""Which aggregate a record is for; None when this service does not act on it. Must not raise."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One service reading one topic into its store. `name` is the consumer group, frozen once in production."""

    name: str
    topic: str
    route: Route
    store: Store
    above_high_water: bool = False
    """True only for `decisions.v1`: read even when the inbox is full."""
    pace: float = 0.0
    """Seconds from one batch to the next on Kafka, since few records cost as much as many. After a silence: at once."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record the bus will never take (too large, unknown topic), by its place in the batch."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lag:
    """What a subscription has not taken: how many records, and since how many seconds the oldest waits."""

    subscription: str
    records: int
    oldest_seconds: float


class Bus(ABC):
    """The transport of events between services."""

    @abstractmethod
    def subscribe(self, subscription: Subscription) -> None:
        """Read a topic into a store. Before `start` only."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to read. Returns at once; a bus that is away is retried in the background and told by `problem`."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop reading after the batch in hand. Idempotent, bounded in time."""

    @abstractmethod
    async def append(self, records: Sequence[WireRecord], *, limit: float = 10.0) -> list[Rejected]:
        """Append in order; return what can never be appended. Durable when it returns.

        Raises UnavailableError after `limit` seconds: then nothing is known about any record of the batch, and the
        caller sends all of them again under the same ids.
        """

    @abstractmethod
    def ended(self) -> str | None:
        """Return how reading has ended by itself, so that only a new start mends it; None while it goes on."""

    @abstractmethod
    def problem(self) -> str | None:
        """Return why the bus is not ready, None when it is."""

    @abstractmethod
    async def lags(self) -> list[Lag]:
        """Return what each subscription of this process has not taken. Raises UnavailableError when nobody can say."""

    @abstractmethod
    def tail(self, topic: str, *, from_start: bool = False) -> AsyncIterator[Received]:
        """Yield records of a topic, for people to look at."""
