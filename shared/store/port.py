"""The port of the store. SQLite and PostgreSQL pass the same conformance suite (`tests/contract/store`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import Executable

from shared.events.envelope import HeaderText
from shared.store.model import JSON, Incoming


class Outbound(NamedTuple):
    """An outbox row with its number `n`, ready to be sent."""

    n: int
    aggregate: str
    topic: str
    key: str
    id: str
    headers: HeaderText
    body: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    """An activity under a lease. Only the newest `fence` may renew or finish it."""

    id: str
    aggregate: str
    kind: Literal["repeatable", "once"]
    name: str
    args: JSON
    fence: int
    lease: float


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A dead letter as `signoff dead-letters` shows it. `parked` is an aggregate nothing wakes but `requeue`."""

    aggregate: str
    seq: int
    id: str
    type: str
    body: bytes
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of an aggregate's hash chain."""

    aggregate: str
    seq: int
    entry: bytes
    hash: bytes


class Store(ABC):
    """The database of one service.

    Every write is durable when its call returns, but for what is done again without harm: rows that were `sent` may go
    a moment later, and the claim and the renewal of `repeatable` work need not outlive the power. Calls raise
    `UnavailableError` while the database is away; nothing is lost, and the caller may try again. All times are seconds
    since the epoch on the database's clock.
    """

    service: str

    @abstractmethod
    async def open(self) -> None:
        """Connect, create or migrate the schema. Raises ConfigurationError when another process owns the data."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to run transitions and timers."""

    @abstractmethod
    async def close(self) -> None:
        """Finish the group in hand and stop. Idempotent, bounded in time."""

    @abstractmethod
    def ended(self) -> str | None:
        """Return how what should run until `close` has ended by itself, so that only a new start mends it, or None."""

    # intake
    @abstractmethod
    async def take(self, messages: Sequence[Incoming], *, subscription: str = "", offset: int = 0) -> int:
        """Put messages into their inboxes and keep the subscription's offset, in one transaction.

        Return how many were new. Raises ConfigurationError for an aggregate of a kind this service does not have.
        """

    @abstractmethod
    async def position(self, subscription: str) -> int:
        """Return the offset stored with the last batch taken from an embedded log, 0 at first."""

    @abstractmethod
    def waiting(self) -> int:
        """Return how many messages wait (a counter in memory), for the high water mark."""

    @abstractmethod
    async def ask(self, message: Incoming, *, limit: float = 10.0) -> JSON:
        """Send a command and wait for the transition's reply. Raises UnavailableError after `limit` seconds."""

    # outbox
    @abstractmethod
    async def outbox(self, *, limit: int = 500) -> list[Outbound]:
        """Return the oldest unsent rows, without rows of parked keys; at most 1 MiB."""

    @abstractmethod
    async def sent(self, rows: Sequence[Outbound]) -> None:
        """Delete exactly these rows; `outbox` returns them no more. Some may be there again after a kill."""

    @abstractmethod
    async def park_key(self, topic: str, key: str, reason: str) -> None:
        """Send no more rows of this key until `unpark_key`: one of them cannot be sent."""

    @abstractmethod
    async def unpark_key(self, topic: str, key: str) -> None:
        """Send the rows of this key again."""

    @abstractmethod
    async def wait_outbox(self, limit: float) -> None:
        """Return when there may be rows to send, or after `limit` seconds."""

    @abstractmethod
    async def lead(self) -> bool:
        """Become or stay the one relay leader of this database; False while another process is."""

    # activities
    @abstractmethod
    async def claim(self, *, limit: int, names: Collection[str]) -> list[Claimed]:
        """Claim due activities under their lease, and deliver `activity.lost` for `once` work whose lease has ended."""

    @abstractmethod
    async def renew(self, claimed: Claimed) -> bool:
        """Extend the lease; False means it is no longer ours: make no call. The last check before bytes go out."""

    @abstractmethod
    async def finish(self, claimed: Claimed, result: JSON) -> Literal["done", "late", "stale"]:
        """Deliver the result: `done`, `late` (lease ended, evidence only), or dropped as `stale` (a newer fence)."""

    @abstractmethod
    async def release(self, claimed: Claimed, *, delay: float) -> bool:
        """Give `repeatable` work back, to be claimed again after `delay` seconds; False means it is no longer ours."""

    @abstractmethod
    async def wait_activities(self, limit: float, *, names: Collection[str]) -> None:
        """Return when there may be activities of these names since their last `claim`, or after `limit` seconds."""

    # reads
    @abstractmethod
    async def state(self, aggregate: str) -> JSON:
        """Return the state of an aggregate, None when it has none."""

    @abstractmethod
    async def states(self, kind: str) -> dict[str, JSON]:
        """Return aggregate -> state for all aggregates of a kind."""

    @abstractmethod
    async def rows(self, aggregate: str, prefix: str = "") -> dict[str, JSON]:
        """Return the live rows of an aggregate whose key starts with `prefix`."""

    @abstractmethod
    async def select(self, statement: Executable) -> list[Mapping[str, Any]]:
        """Run a SQLAlchemy Core select on registered tables and return all rows."""

    @abstractmethod
    async def execute(self, statement: Executable) -> list[Mapping[str, Any]]:
        """Run one insert, update or delete on registered tables in its own transaction; return what it RETURNS."""

    @abstractmethod
    async def changes(self, after: int, *, limit: int = 500) -> list[tuple[int, str]]:
        """Return (change number, feed) of the change feed in commit order."""

    @abstractmethod
    async def last_change(self) -> int:
        """Return the newest change number, 0 at first."""

    # care
    @abstractmethod
    async def dead(self, message_id: str | None = None) -> list[DeadMessage]:
        """Return dead messages and those that wait in parked aggregates."""

    @abstractmethod
    async def requeue(self, message_id: str) -> bool:
        """Put a dead message back at the end of its inbox, or wake the parked aggregate it waits in.

        False when there is none such. A message that fails again is dead again.
        """

    @abstractmethod
    async def audit(self, aggregate: str) -> list[AuditEntry]:
        """Return the hash chain of an aggregate, oldest first."""

    @abstractmethod
    async def retain(self) -> int:
        """Delete one small step of what has expired; return how many rows went."""

    @abstractmethod
    def configure(self, config: Any, sha256: str) -> None:  # noqa: ANN401 -- frozen, of the service's own type
        """Replace the service's frozen configuration as a whole, from the next transition on."""

    @abstractmethod
    async def now(self) -> float:
        """Return the database's clock, never less than before."""

    @abstractmethod
    def on_alarm(self, listener: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Call `listener(reason, facts)` for what a person must see: slow decide, parked, dead, fenced."""
