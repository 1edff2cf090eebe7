"""A whole ingest: a real listener on loopback, a real spool, and the bus that the test wants."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.ingest import app as ingest
from services.ingest.settings import Settings
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import Bus
from shared.events.envelope import Envelope, read_headers
from shared.events.payload import ALERTS
from shared.runtime import server
from shared.runtime.clock import wall
from shared.runtime.server import Listener, bind
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store
from tests.support.kinds import eventually

TOKEN = "service-token-of-this-test"
OLD, NEW, REPLAY = "old-secret", "new-secret", "replay-secret"
SECRETS = {"secrets": [OLD, NEW], "replay_secret": REPLAY}
SETTINGS: dict[str, Any] = {
    "datadog": SECRETS,
    "pagerduty": SECRETS,
    "generic": SECRETS,
    "receipt_key": "receipt-key-of-this-test",
    "append_seconds": 20.0,
}


def headers_for(source: str, body: bytes, secret: str = OLD) -> dict[str, str]:
    """Return the headers with which a sender proves who it is."""
    if source == "datadog":
        return {"X-Signoff-Token": secret}
    if source == "pagerduty":
        return {"X-PagerDuty-Signature": f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}
    stamp = str(int(wall()))
    digest = hmac.new(secret.encode(), f"message.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": "message",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def alert(number: int = 1, *, monitor: str = "42", **more: object) -> bytes:
    """Return a Datadog body; the event id holds `number`."""
    title = "[Triggered on {host:a}] CPU is high"
    return orjson.dumps({"id": f"event-{number:06}", "alert_id": monitor, "title": title, **more})


@dataclass
class Running:
    """A running ingest, its bus and spool, and ways to send to it."""

    service: Service
    store: Store
    bus: Bus
    listener: Listener
    folder: Path
    client: httpx.AsyncClient

    async def end(self) -> None:
        """Stop all but the bus."""
        await self.listener.stop()
        await self.service.stop()
        await self.store.close()

    async def post(self, source: str, body: bytes, secret: str = OLD, **headers: str) -> httpx.Response:
        """Send a delivery as an authentic sender does."""
        given = headers_for(source, body, secret) | headers
        return await self.client.post(f"/webhooks/{source}", content=body, headers=given)

    async def account(self) -> dict[str, Any]:
        """Return the account."""
        answer = await self.client.get("/control/account", headers={"authorization": f"Bearer {TOKEN}"})
        found: dict[str, Any] = answer.json()
        return found

    def on_bus(self) -> list[tuple[Envelope, dict[str, Any]]]:
        """Return what the embedded bus holds."""
        assert isinstance(self.bus, EmbeddedBus)
        rows = self.bus._file.read(ALERTS, 0, 10_000)
        return [(read_headers(orjson.loads(row.headers)), orjson.loads(row.body)) for row in rows]

    async def told(self, count: int) -> list[tuple[Envelope, dict[str, Any]]]:
        """Return the first occurrence of each event on the embedded bus, once there are `count`."""

        async def enough() -> list[tuple[Envelope, dict[str, Any]]]:
            found: dict[str, tuple[Envelope, dict[str, Any]]] = {}
            for envelope, body in self.on_bus():
                found.setdefault(envelope.id, (envelope, body))
            return list(found.values()) if len(found) >= count else []

        return await eventually(enough)

    async def spool_is_empty(self) -> None:
        """Return when nothing waits in the spool."""

        async def is_empty() -> bool:
            return int((await self.account())["in_spool"]) == 0

        await eventually(is_empty)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a database from being written, as a full disk or a foreign backup does."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")
    try:
        yield
    finally:
        connection.execute("rollback")
        connection.close()


@contextlib.asynccontextmanager
async def running_ingest(folder: Path, bus: Bus, **changes: object) -> AsyncIterator[Running]:
    """Run ingest in a folder until the end of the block."""
    settings = Settings.model_validate(SETTINGS | changes)
    store = open_store(folder / "ingest.db", service="ingest", kinds=ingest.kinds(settings), tables=ingest.tables())
    await store.open()
    service = ingest.build_app(settings, bus, store, Surroundings(folder, folder, TOKEN, {}))
    listener = Listener(bind("127.0.0.1", 0, name="ingest"), service.asgi)
    await store.start()
    await bus.start()
    await service.start()
    await listener.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", timeout=30) as client:
        running = Running(service, store, bus, listener, folder, client)
        try:
            yield running
        finally:
            await running.end()
            await bus.stop()


@pytest.fixture(autouse=True)
def every_connection_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system hand over connections that say nothing, so that it is we who deal with them."""
    monkeypatch.setattr(server, "SILENT_SECONDS", 0)


StartIngest = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartIngest]:
    """Start ingest with settings of the test's own on an embedded bus; again after `stop` of the one before."""
    async with contextlib.AsyncExitStack() as stack:

        async def starting(**changes: object) -> Running:
            await stack.aclose()
            return await stack.enter_async_context(
                running_ingest(tmp_path, EmbeddedBus(tmp_path / "bus.db"), **changes)
            )

        yield starting


@pytest.fixture
async def running(start: StartIngest) -> Running:
    """A running ingest."""
    return await start()
