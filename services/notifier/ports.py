"""What the notifier needs from outside: its read model, its sessions, channels, and the other services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.notifier.domain.detail import Detail
from services.notifier.domain.notice import Notice
from services.notifier.domain.overview import Overview
from shared.lifecycle.timeline import Told


@dataclass(frozen=True, slots=True)
class Session:
    """A person who signed in. `via` is how and on what; `csrf` goes into every form of this session.

    `is_operator`: by the run token, so by who started the server on this machine.
    """

    person: str
    via: str
    authenticated_at: float
    csrf: str = ""
    is_operator: bool = False


class ReadModel(Protocol):
    """What happened, for people to read."""

    async def incidents(self, *, environment: str = "", limit: int = 200) -> list[Overview]:
        """Return incidents, newest first."""
        ...

    async def find(self, prefix: str) -> Overview:
        """Return the incident whose id begins so. Raises NotFoundError for none and for several."""
        ...

    async def journal(self, incident_id: str) -> list[Told]:
        """Return the events of an incident in order."""
        ...

    async def detail(self, incident_id: str) -> Detail:
        """Return everything known of an incident. Raises NotFoundError."""
        ...

    async def incident_of(self, approval_id: str) -> str:
        """Return the incident of a question. Raises NotFoundError."""
        ...

    async def silent(self, incident_id: str) -> list[str]:
        """Return the decisions that nobody has ruled on, after all resends."""
        ...


class Changes(Protocol):
    """The change feed, as streams follow it."""

    async def newest(self) -> int:
        """Return the number of the newest change, 0 at first."""
        ...

    def follow(self, place: int) -> AsyncIterator[list[tuple[int, str]]]:
        """Yield changes (number, incident id) after a number; an empty list every few seconds."""
        ...


class Sessions(Protocol):
    """Sessions and one-time logins. Tokens are 256 random bits, kept as digests; each lives in one row."""

    async def invite(self, person: str) -> str:
        """Return a one-time login token."""
        ...

    async def invited(self, token: str) -> str | None:
        """Return whom a login token is for, while it can be used. Changes nothing."""
        ...

    async def accept(self, token: str) -> str | None:
        """Use a login token up and return whom it is for; None when it is used, expired or unknown."""
        ...

    async def begin(self, person: str, via: str) -> str:
        """Begin a session and return its token."""
        ...

    async def find(self, token: str) -> Session | None:
        """Return the session of a token, None when there is none or it has expired."""
        ...

    async def end(self, token: str) -> None:
        """End a session."""
        ...


class Channel(Protocol):
    """Where people are told. `post` may be called again with the same version; the marker makes it the same message."""

    async def post(self, environment: str, marker: str, notice: Notice) -> None:
        """Create or edit the message. Raises UnavailableError to be called again later."""
        ...


class Peer(Protocol):
    """Another service's reads and control routes."""

    async def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the JSON of a GET. Raises NotFoundError, RefusedError or UnavailableError."""
        ...

    async def post(self, path: str, body: Mapping[str, Any] | Sequence[Any]) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the JSON of a POST. Raises as `get`."""
        ...
