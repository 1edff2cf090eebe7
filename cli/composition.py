"""Put services together: all four and the world in one process, or one of them alone. The only place that knows all."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from cli.project import PROJECT
from cli.sections import Sections
from shared.bus.factory import open_bus
from shared.bus.measuring import measuring
from shared.bus.port import Bus
from shared.runtime.server import Listener
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store
from shared.telemetry.metrics import Alarm, count_alarms, watch

log = logging.getLogger("signoff")

STOP_SECONDS = 25.0
PEERS = ("ingest", "diagnoser", "executor")
"""The notifier asks them; it is asked by nobody."""


@dataclass(frozen=True, slots=True)
class Part:
    """One service with its store."""

    name: str
    store: Store
    service: Service


@dataclass(slots=True)
class Composed:
    """What runs in this process. Whatever was opened is closed by `stop`, also when a start got stuck halfway."""

    bus: Bus
    parts: list[Part] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Start stores, then the bus, then services, then listeners: what answers can answer."""
        for part in self.parts:
            await part.store.start()
        self.stack.push_async_callback(self.bus.stop)
        await self.bus.start()
        await self.stack.enter_async_context(measuring(self.bus))
        for part in self.parts:
            self.stack.push_async_callback(part.service.stop)
            await part.service.start()
        for listener in self.listeners:
            self.stack.push_async_callback(listener.stop)
            await listener.start()
        for part in self.parts:
            self.stack.push_async_callback(part.service.end_streams)

    async def stop(self) -> None:
        """Stop in the opposite order, all of it, within a bound."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.stack.aclose()
        except TimeoutError:
            log.warning("stopping took more than %g s; what is stored is safe", STOP_SECONDS)

    def service(self, name: str) -> Service:
        """Return a service of this process."""
        return next(part.service for part in self.parts if part.name == name)


class _Late:
    """An ASGI application that is known once all services are built."""

    def __init__(self, composed: Composed, name: str) -> None:
        self._composed = composed
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the service does."""
        await self._composed.service(self._name).asgi(scope, receive, send)


async def compose(sections: Sections, data: Path) -> Composed:
    """Open the stores of the services in `sections` and build the services. Nothing runs before `start`.

    Raises ConfigurationError when another process owns the data, or a file that people author is wrong.
    """
    composed = Composed(open_bus(sections.kafka, data))
    try:
        await _build(composed, sections, data)
    except BaseException:
        await composed.stop()
        raise
    return composed


async def _build(composed: Composed, sections: Sections, data: Path) -> None:
    surroundings = Surroundings(
        data=data,
        project=PROJECT,
        service_token=sections.services.token.get_secret_value(),
        peers=_peers(composed, sections),
    )
    for name, settings in sections.of.items():
        app: Any = importlib.import_module(f"services.{name}.app")
        location = _location(name, sections, data)
        store = open_store(location, service=name, kinds=app.kinds(settings), tables=app.tables())
        composed.stack.push_async_callback(store.close)
        await store.open()
        store.on_alarm(_tell_alarm(name))
        store.on_alarm(count_alarms(name))
        service = app.build_app(settings, composed.bus, store, surroundings)
        watch(name, waiting=store.waiting, problems=service.problems)
        composed.parts.append(Part(name, store, service))


def _location(name: str, sections: Sections, data: Path) -> str | Path:
    """Return where a service keeps its state. Ingest's store is its spool, which must not be far away."""
    if name == "ingest":
        return (getattr(sections.of[name], "spool_dir", None) or data) / f"{name}.db"
    return sections.store.url.get_secret_value() or data / f"{name}.db"


def _peers(composed: Composed, sections: Sections) -> Mapping[str, httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {sections.services.token.get_secret_value()}"}
    peers = {}
    for peer in PEERS:
        if peer in sections.of:
            # A bug of the peer is then its 500, as over the network.
            transport = httpx.ASGITransport(_Late(composed, peer), raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=f"http://{peer}", headers=headers)
        else:
            url = str(getattr(sections.services, f"{peer}_url"))
            client = httpx.AsyncClient(base_url=url, headers=headers, timeout=10.0)
        composed.stack.push_async_callback(client.aclose)
        peers[peer] = client
    return peers


def _tell_alarm(service: str) -> Alarm:
    def tell(reason: str, facts: Mapping[str, Any]) -> None:
        # A transition that took long is for who looks at speed, with the metric that counts it, not for who is paged.
        level = logging.INFO if reason == "slow_decide" else logging.WARNING
        log.log(level, "store alarm", extra={"service": service, "reason": reason, "facts": dict(facts)})

    return tell


def run(serve: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run a server until SIGINT or SIGTERM sets its event; return its exit code. Its files are for its user only."""
    os.umask(0o077)

    async def main() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop, stop, number)
        return await serve(stop)

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def _stop(stop: asyncio.Event, number: signal.Signals) -> None:
    """Stop in good order; who asks a second time means at once."""
    if stop.is_set():
        os._exit(128 + number)
    stop.set()
