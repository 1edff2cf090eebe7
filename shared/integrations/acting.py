"""Capabilities that change something outside. Only `executor/actions` may import InfrastructureActuator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.incident.diagnosis import ParameterValue


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended. `failed_safe` needs proof that nothing was done; everything doubtful is `unknown`."""

    outcome: Literal["succeeded", "failed_safe", "unknown"]
    detail: str = ""


class InfrastructureActuator(ABC):
    """Calls verbs on targets. Never retries by itself."""

    @abstractmethod
    def verbs(self) -> Collection[str]:
        """Return the verbs with version it can call, such as `host/restart-process@v1`."""

    @abstractmethod
    async def call(
        self, verb: str, target: str, arguments: Mapping[str, ParameterValue], *, token: str, limit: float
    ) -> CallResult:
        """Call once within `limit` seconds. `token` marks the call in the vendor's record."""


@dataclass(frozen=True, slots=True)
class Post:
    """One message of a conversation channel, edited in place: same `marker`, same message."""

    marker: str
    """Stored with the message at the vendor, so that a repeat finds it instead of posting twice."""
    text: str
    """Plain text, for notifications and for channels without blocks."""
    fields: Mapping[str, str]
    link: str = ""
    simulated: bool = False
    thread: str = ""
    """A line to add to the message's thread for this version; empty for none."""


class CommunicationProvider(ABC):
    """A conversation system such as Slack."""

    @abstractmethod
    async def upsert(self, post: Post) -> str:
        """Create or edit the message of this marker; return the vendor's reference."""


class TicketingProvider(ABC):
    """A ticket system."""

    @abstractmethod
    async def upsert(self, post: Post) -> str:
        """Create or edit the ticket of this marker; return the vendor's reference."""
