"""Where the stories happen whose processes are stopped wherever they wait: services over files, beside a world."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shared.bus.embedded import EmbeddedBus
from shared.bus.port import WireRecord
from shared.errors import UnavailableError
from shared.events.envelope import headers_of, read_headers
from shared.events.payload import INCIDENTS, Payload
from shared.runtime.server import Listener, bind
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from simulation import driver
from simulation.app import build_world_app
from simulation.scenario import load_scenario
from tests.resilience.await_points import Story
from tests.resilience.checker import (
    OF_ONE,
    SERVICES,
    WANTED,
    Remains,
    check,
    file_of,
    heads_of,
    told,
    waiting_in,
    world_of,
)
from tests.support.kinds import eventually

PROJECT = Path(__file__).parents[2]
WORLD_TOKEN = "world-token"
INCIDENT = "INC-ABCDEFGH23"
SPEED = 120.0
REST_LIMIT = 40.0


class House:
    """Some services over the files of a folder."""

    def __init__(self, folder: Path, stack: AsyncExitStack, patience: float) -> None:
        self.folder = folder
        self.patience = patience
        self.bus = EmbeddedBus(folder / "bus.db")
        self._stack = stack
        self._services: list[Service] = []

    async def add(self, name: str, app: Any, settings: Any) -> Service:  # noqa: ANN401 -- a service's module and settings
        """Build a service."""
        store = open_store(self.folder / f"{name}.db", service=name, kinds=app.kinds(settings), tables=app.tables())
        self._stack.push_async_callback(store.close)
        await store.open()
        peers = {peer: httpx.AsyncClient(base_url="http://nobody") for peer in ("ingest", "diagnoser", "executor")}
        service: Service = app.build_app(settings, self.bus, store, Surroundings(self.folder, PROJECT, "token", peers))
        await store.start()
        self._services.append(service)
        return service

    async def start(self) -> None:
        """Start them."""
        self._stack.push_async_callback(self.bus.stop)
        await self.bus.start()
        for service in self._services:
            self._stack.push_async_callback(service.stop)
            await service.start()

    async def tell(self, environment: str, *payloads: Payload) -> None:
        """Say on `incidents.v1` and `decisions.v1` what others say, under the same ids in every life.

        Again until the bus has it, as relays do: whoever stood still does not know.
        """
        records = []
        for number, payload in enumerate(payloads):
            event = payload.outgoing(INCIDENT, environment=environment)
            event_id = f"{payload.owner}/{INCIDENT}:{payload.type}-{number}"
            headers = headers_of(event, event_id=event_id, source=f"signoff/{payload.owner}", now=time.time())
            records.append(WireRecord(event.topic, INCIDENT, headers, orjson.dumps(event.body)))
        while True:
            with suppress(UnavailableError):
                assert not await self.bus.append(records)
                return

    async def until(self, *types: str, topic: str = INCIDENTS, source: str = "executor") -> dict[str, Any]:
        """Return the body of the newest event of these types, once there is one."""

        async def there() -> dict[str, Any] | None:
            said = [body for type_, body in said_in(self.bus, topic, source) if type_ in types]
            return said[-1] if said else None

        return await eventually(there, self.patience) or {}

    async def rest(self, *names: str) -> None:
        """Return when nothing waits in the files of these services, and all that is on the log was read."""

        async def all_read() -> bool:
            return not any(lag.records for lag in await self.bus.lags())

        async def look() -> tuple[bool, list[dict[str, int]]]:
            found = [await asyncio.to_thread(file_of, self.folder, name) for name in names]
            return not any(what for tables in found for what in waiting_in(tables)), [*map(heads_of, found)]

        async def is_over() -> bool:
            # Each service is looked at at another instant; if it is the same in both looks, nothing happened between.
            is_idle, before = await look()
            return is_idle and await all_read() and await look() == (True, before)

        await eventually(is_over, self.patience)


@asynccontextmanager
async def house_in(folder: Path, patience: float = REST_LIMIT) -> AsyncIterator[House]:
    """Stop all in order at the end. Nothing is waited for longer than `patience` seconds."""
    async with AsyncExitStack() as stack:
        yield House(folder, stack, patience)


def said_in(bus: EmbeddedBus, topic: str, source: str, most: int = 1000) -> list[tuple[str, dict[str, Any]]]:
    """Return (type, body) of what a service said; what was sent again counts once."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for row in bus._file.read(topic, 0, most):
        envelope = read_headers(orjson.loads(row.headers))
        if envelope.source.endswith(source):
            found.setdefault(envelope.id, (envelope.type, orjson.loads(row.body)))
    return list(found.values())


def check_files(folder: Path, *names: str) -> None:
    """Have the offline checker read the files of these services; a story may end with a question."""
    nothing: dict[str, Any] = {name: [] for names in (WANTED, *OF_ONE.values()) for name in names}
    tables = {name: file_of(folder, name) if name in names else nothing for name in SERVICES}
    remains = Remains([], tables)
    found = [finding for finding in check(remains).findings if not finding.what.startswith("still owed: approval")]
    assert not found, told(remains, found)


class InWorld(Story):
    """A story whose outside is a simulated world in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._world = folder / "world"
        self._world.mkdir()
        self._socket = bind("127.0.0.1", 0, name="world")
        self._url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process = os.fork()
        if not self._process:
            asyncio.run(self._serve())
        self._socket.close()

    async def _serve(self) -> None:
        pytest.MonkeyPatch().setattr(driver, "load_scenario", functools.cache(load_scenario))
        nowhere = driver.Address("http://127.0.0.1:9", "http://127.0.0.1:9", secrets={}, token="t")
        world = driver.World(self._world, PROJECT / "fixtures", nowhere, time.time)
        await Listener(self._socket, build_world_app(world, WORLD_TOKEN)).start()
        await asyncio.Event().wait()

    def end(self) -> None:
        """End the world."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def settings(self) -> dict[str, str]:
        """Return where the world is."""
        return {"url": self._url, "token": WORLD_TOKEN}

    async def run_of(self, folder: Path) -> str:
        """Return the run of a place, begun when it has none."""
        kept = folder / "run"
        if not kept.exists():
            async with httpx.AsyncClient(headers={"authorization": f"Bearer {WORLD_TOKEN}"}) as client:
                asked = {"scenario": "high_cpu", "speed": SPEED, "seed": 7}
                answer = await client.post(f"{self._url}/runs", json=asked)
            kept.write_text(str(answer.json()["run"]))
        return kept.read_text()

    def ledger(self, folder: Path, kind: str) -> list[dict[str, Any]]:
        """Return what the world wrote down of the run of a place."""
        run = (folder / "run").read_text()
        return [entry for entry in world_of(self._world) if entry["kind"] == kind and entry["run"] == run]
