"""Put services together: all four and the world in one process, or one of them alone. The only place that knows all."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from cli.project import PROJECT
from cli.settings import MockSettings, ServicesSettings, StoreSettings
from shared.bus.factory import open_bus
from shared.bus.port import Bus
from shared.bus.settings import KafkaSettings
from shared.runtime.configuration import Configuration
from shared.runtime.server import Listener
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store

log = logging.getLogger("signoff")

SERVICES = ("ingest", "diagnoser", "executor", "notifier")


@dataclass(slots=True)
class Part:
    """One service with its store."""

    name: str
    store: Store
    service: Service


@dataclass(slots=True)
class Composed:
    """What runs in this process, in the order it was started."""

    bus: Bus
    parts: list[Part] = field(default_factory=list)
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)

    async def start(self) -> None:
        """Start stores, then the bus, then services. Listeners are the caller's, once everything can answer."""
        for part in self.parts:
            await part.store.start()
        await self.bus.start()
        for part in self.parts:
            await part.service.start()

    async def stop(self) -> None:
        """Stop in the opposite order; each step is bounded."""
        await asyncio.gather(*(listener.stop() for listener in self.listeners))
        for part in reversed(self.parts):
            await part.service.stop()
        await self.bus.stop()
        for part in self.parts:
            await part.store.close()
        for client in self.clients:
            await client.aclose()

    def service(self, name: str) -> Service:
        """Return a service of this process."""
        return next(part.service for part in self.parts if part.name == name)


class _Late:
    """An ASGI application that is known once all services are built."""

    def __init__(self, composed: Composed, name: str) -> None:
        self._composed = composed
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._composed.service(self._name).asgi(scope, receive, send)


async def compose(configuration: Configuration, names: Sequence[str], data: Path) -> Composed:
    """Open the stores of `names` and build the services. Nothing runs before `start`."""
    store_settings = configuration.section("store", StoreSettings)
    world = configuration.section("mock", MockSettings)
    composed = Composed(open_bus(configuration.section("kafka", KafkaSettings), data))
    peers = _peers(configuration, composed, names)
    token = configuration.section("services", ServicesSettings).token.get_secret_value()
    for name in names:
        app: Any = importlib.import_module(f"services.{name}.app")
        if "world" in app.Settings.model_fields:
            configuration.give((name, "world"), world.model_dump(), "mock")
        settings = configuration.section(name, app.Settings)
        location = store_settings.url.get_secret_value() if name != "ingest" else ""
        path = getattr(settings, "spool_dir", None) or data
        store = open_store(
            location or path / f"{name}.db", service=name, kinds=app.kinds(settings), tables=app.tables()
        )
        await store.open()
        store.on_alarm(_alarm(name))
        surroundings = Surroundings(data=data, project=PROJECT, service_token=token, peers=peers)
        composed.parts.append(Part(name, store, app.build_app(settings, composed.bus, store, surroundings)))
    return composed


def _peers(configuration: Configuration, composed: Composed, names: Sequence[str]) -> Mapping[str, httpx.AsyncClient]:
    settings = configuration.section("services", ServicesSettings)
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    peers = {}
    for peer in ("ingest", "diagnoser", "executor"):
        if peer in names:
            transport = httpx.ASGITransport(_Late(composed, peer))
            peers[peer] = httpx.AsyncClient(transport=transport, base_url=f"http://{peer}", headers=headers)
        else:
            url = str(getattr(settings, f"{peer}_url"))
            peers[peer] = httpx.AsyncClient(base_url=url, headers=headers, timeout=10.0)
    composed.clients.extend(peers.values())
    return peers


def _alarm(service: str) -> Any:  # noqa: ANN401 -- the listener's type is the store's
    def tell(reason: str, facts: Mapping[str, Any]) -> None:
        log.warning("store alarm", extra={"service": service, "reason": reason, "facts": dict(facts)})

    return tell


async def until_stopped(stop: asyncio.Event, composed: Composed) -> None:
    """Wait for the end, then stop everything within a bound."""
    await stop.wait()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(25.0):
            await composed.stop()
