"""What a service is to whoever composes it. `up`, `serve` and tests all use exactly this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service is given beside its settings, bus and store.

    `data` is the data directory. `project` holds `runbooks/` and `fixtures/`. `peers` are HTTP clients of the other
    services' listeners, in process or over the network, which add the service token themselves.
    """

    data: Path
    project: Path
    service_token: str
    peers: Mapping[str, httpx.AsyncClient]


class Running(Protocol):
    """What should run until it is stopped."""

    def ended(self) -> str | None:
        """Return how it has ended by itself, None while it runs."""


class Service(ABC):
    """One of the four services, built by `build_app(settings, bus, store, surroundings)` of its `app.py`."""

    name: str
    asgi: ASGIApp
    """Its listener: webhooks for ingest, the console for the notifier, reads and control for the others."""
    running: Mapping[str, Running]
    """What it consists of beside its listener, by name."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to work; store and bus are open already and started after all services were built."""

    async def end_streams(self) -> None:
        """End answers that go on until somebody leaves, so that the listener need not cut them off: by default none."""
        return

    @abstractmethod
    async def stop(self) -> None:
        """Stop. Idempotent, bounded in time."""

    def ended(self) -> dict[str, str]:
        """Return what should run until `stop` and has ended by itself, by its name. Only a new start brings it back."""
        return {name: how for name, part in self.running.items() if (how := part.ended())}

    @abstractmethod
    def problems(self) -> Mapping[str, str]:
        """Return what keeps the service from being ready, by check, what has ended too; empty when ready."""
