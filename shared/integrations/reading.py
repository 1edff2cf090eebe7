"""Read-only capabilities. Times are data time; every call has a time limit and raises UnavailableError past it.

An empty answer means that the system looked and found nothing. A system that cannot answer raises, so that a gap is
never mistaken for health.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import UnavailableError
from shared.incident.enums import AlertStatus
from shared.incident.evidence import MetricTimeSeries


class CutShortError(UnavailableError):
    """Not all of what was asked for could be fetched; `found` is what could. The message says what is not, and why."""

    reason = "cut_short"

    def __init__(self, message: str, found: Sequence[Any]) -> None:
        super().__init__(message)
        self.found = found


@dataclass(frozen=True, slots=True)
class Window:
    """A span of data time, `start` inclusive, `end` exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line. `message` is untrusted text."""

    at: datetime
    entity: str
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class MonitorState:
    """One monitor of the vendor and whether it fires now."""

    source_key: str
    title: str
    status: AlertStatus
    since: datetime
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A deploy, configuration change or flag flip."""

    id: str
    at: datetime
    kind: str
    entity: str
    """The service or host that was changed."""
    title: str
    version: str = ""
    previous_version: str = ""
    author: str = ""
    hosts: tuple[str, ...] = ()
    """Where it took effect, when the source knows."""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine and what runs there."""

    name: str
    services: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    """Plain facts such as `cores`, `memory_bytes`, `status`."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a host. `started_at` tells a restarted process from the one before."""

    host: str
    name: str
    pid: int
    service: str
    started_at: datetime
    cpu_percent: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Topology:
    """Entities and who calls or runs on whom: `edges` holds (caller or upper, callee or lower, kind)."""

    entities: dict[str, str]
    """Entity -> kind (`service`, `host`, `database`, `cdn`)."""
    edges: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What the vendor's own record says about a call made with a token."""

    token: str
    applied: bool
    at: datetime
    detail: str = ""


class MonitoringProvider(ABC):
    """Metrics, logs and monitors."""

    @abstractmethod
    async def now(self) -> datetime:
        """Return the data time up to which data can be asked for."""

    @abstractmethod
    async def pace(self) -> float:
        """Return data seconds per wall second: 1 for a vendor, more in a sped-up simulated run."""

    @abstractmethod
    async def series(self, entities: Sequence[str], window: Window) -> list[MetricTimeSeries]:
        """Return all series of these services and hosts."""

    @abstractmethod
    async def logs(self, entities: Sequence[str], window: Window, *, limit: int = 5000) -> list[LogLine]:
        """Return log lines, oldest first, the newest `limit` of them."""

    @abstractmethod
    async def monitors(self) -> list[MonitorState]:
        """Return every monitor that fires now."""


class ChangeProvider(ABC):
    """Deploys and other changes."""

    @abstractmethod
    async def changes(self, window: Window) -> list[Change]:
        """Return changes of the window, oldest first."""


class InfrastructureReader(ABC):
    """Hosts, processes, topology, and the vendor's record of calls."""

    @abstractmethod
    async def hosts(self, names: Sequence[str]) -> list[Host]:
        """Return the named hosts; unknown names are left out. No names: all hosts."""

    @abstractmethod
    async def processes(self, host: str) -> list[Process]:
        """Return the processes of a host. Raises NotFoundError for an unknown host."""

    @abstractmethod
    async def topology(self) -> Topology:
        """Return what calls or runs on what."""

    @abstractmethod
    async def find_call(self, token: str) -> CallRecord | None:
        """Return the record of the call made with `token`; None when the vendor has none."""


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is on call for a service now."""

    service: str
    person: str
    level: int = 1


class AlertingProvider(ABC):
    """The paging system."""

    @abstractmethod
    async def on_call(self, services: Sequence[str]) -> list[OnCall]:
        """Return who is on call."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of written knowledge, with where it stands."""

    title: str
    link: str
    text: str


class KnowledgeProvider(ABC):
    """Written knowledge: runbooks of others, post-mortems, wiki pages."""

    @abstractmethod
    async def search(self, words: Sequence[str], *, limit: int = 5) -> list[Passage]:
        """Return the passages that fit best."""
