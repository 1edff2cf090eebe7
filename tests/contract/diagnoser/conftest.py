"""A whole diagnoser on both databases, an embedded bus, and the simulated world on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.diagnoser import app as diagnoser
from services.diagnoser.adapters.engine_process import EngineProcess
from services.diagnoser.settings import Settings
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import WireRecord
from shared.events.deliveries import DeliveryReceived
from shared.events.envelope import Envelope, headers_of, read_headers
from shared.events.payload import INCIDENTS, Payload
from shared.events.people import IncidentRequested, Silence, SilenceRequested
from shared.incident.actor import Actor
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import AlertStatus, Severity
from shared.runtime.clock import wall
from shared.runtime.server import Listener, bind
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store
from simulation.app import build_world_app
from simulation.driver import Address, World
from tests.support.kinds import eventually

PROJECT = Path(__file__).parents[3]
SMALL_ENGINE = Path(__file__).parent / "small_engine.py"
NOWHERE = Address(webhooks="http://127.0.0.1:9", control="http://127.0.0.1:9", secrets={}, token="t")
KEY = "receipt-key-of-this-test"
TOKEN = "service-token-of-this-test"
WORLD_TOKEN = "token-of-the-world"
PERSON = Actor(kind="person", id="pat", name="Pat")


def receipt(number: int, key: str = KEY) -> str:
    """Return a receipt as ingest makes it."""
    stem = base64.b32hexencode(number.to_bytes(16, "big")).decode().rstrip("=")
    tag = hmac.new(key.encode(), f"receipt\x00{stem}".encode(), hashlib.sha256).digest()
    return f"{stem}{base64.b32hexencode(tag).decode()[:8]}"


@dataclass
class Outside:
    """The simulated world behind its listener; routes that end with one of `away` or `slow` do not answer.

    While it is `forgetful` it gives no series of more than an hour.
    """

    world: World
    run: str
    url: str = ""
    away: set[str] = field(default_factory=set)
    slow: set[str] = field(default_factory=set)
    forgetful: bool = False

    def in_front_of(self, app: ASGIApp) -> ASGIApp:
        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            name = str(scope.get("path", "")).rpartition("/")[2]
            if name in self.slow:
                await receive()
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            asked = await receive() if name == "series" and self.forgetful else None
            if name in self.away or (asked is not None and _span(asked["body"]) > 3600.0):
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b"password=hunter2-hunter2 is wrong"})
                return
            await app(scope, receive if asked is None else _first(asked, receive), send)

        return front

    @property
    def environment(self) -> str:
        return f"sim:{self.run}"

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.world.now(self.world.life(self.run)), UTC)


def _span(body: bytes) -> float:
    asked = orjson.loads(body)
    return float(asked["end"] - asked["start"])


def _first(message: Message, receive: Receive) -> Receive:
    """Receive a message that was taken out once more, then the others."""
    waiting = [message]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


@dataclass
class Running:
    """A running diagnoser, and ways to talk to it."""

    service: Service
    store: Store
    bus: EmbeddedBus
    engine: EngineProcess
    outside: Outside
    count: int = 0

    async def say(self, payload: Payload, subject: str, event_id: str, environment: str = "") -> None:
        """Say something as the service that owns it."""
        event = payload.outgoing(subject, environment=environment or self.outside.environment)
        headers = headers_of(event, event_id=event_id, source=f"signoff/{payload.owner}", now=wall())
        assert not await self.bus.append([WireRecord(event.topic, event.key, headers, orjson.dumps(event.body))])

    def delivery(self, alert: Alert, number: int | None = None, environment: str = "") -> DeliveryReceived:
        """Return a delivery with valid proofs."""
        self.count += 1
        message_id = receipt(self.count if number is None else number)
        environment = environment or self.outside.environment
        text = f"message\x00{message_id}\x00{alert.source}\x00{environment}"
        return DeliveryReceived(
            receipt=message_id,
            message_id=message_id,
            source=alert.source,
            received_at=datetime.fromtimestamp(wall(), UTC),
            body_sha256="b" * 64,
            mac=hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest(),
            alert=alert,
        )

    async def deliver(self, alert: Alert, environment: str = "") -> str:
        """Deliver an alert and return its receipt."""
        event = self.delivery(alert, environment=environment)
        await self.say(event, alert.fingerprint, f"ingest/{event.message_id}", environment)
        return event.receipt

    async def decided(self, receipt_: str) -> dict[str, Any]:
        """Return the disposition of a receipt, once there is one."""

        async def there() -> dict[str, Any]:
            found: dict[str, Any] = (await self.get(f"/deliveries/{receipt_}"))[0]
            return {} if found["disposition"] == "in_flight" else found

        return await eventually(there)

    async def ask(self, verb: str, incident_id: str | None, environment: str = "", **arguments: str) -> str:
        """Ask for something as a person; return the event's id."""
        self.count += 1
        request = IncidentRequested.model_validate(
            {
                "request_id": f"req-{self.count}",
                "actor": PERSON,
                "incident_id": incident_id,
                "verb": verb,
                "arguments": arguments,
            }
        )
        event_id = f"notifier/request/{request.request_id}"
        await self.say(request, incident_id or request.request_id, event_id, environment)
        return event_id

    async def silence(self, matchers: dict[str, str], verb: str = "add", silence_id: str = "sil-1") -> None:
        """Ask for a silence of an hour, or for its end."""
        self.count += 1
        silence = Silence(
            id=silence_id,
            matchers=matchers,
            starts_at=datetime.fromtimestamp(wall() - 1, UTC),
            ends_at=datetime.fromtimestamp(wall() + 3600, UTC),
            author=PERSON,
            reason="planned work",
        )
        request = SilenceRequested.model_validate(
            {
                "request_id": f"req-{self.count}",
                "actor": PERSON,
                "verb": verb,
                "silence_id": silence_id,
                "silence": silence if verb == "add" else None,
            }
        )
        await self.say(request, request.request_id, f"notifier/request/{request.request_id}")

    async def get(self, path: str, *, token: str = TOKEN, status: int = 200) -> Any:  # noqa: ANN401 -- JSON
        """Return the JSON of a read."""
        headers = {"authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(self.service.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://diagnoser", headers=headers) as client:
            answer = await client.get(path)
        assert answer.status_code == status, answer.text
        return answer.json()

    def events(self) -> list[tuple[Envelope, Any]]:
        """Return what is on `incidents.v1`, with bodies."""
        rows = self.bus._file.read(INCIDENTS, 0, 500)
        return [(read_headers(orjson.loads(row.headers)), orjson.loads(row.body)) for row in rows]

    def types(self, incident: str = "") -> list[str]:
        """Return what was said, of one incident or of all."""
        return [e.type for e, _ in self.events() if not e.resend and incident in ("", e.subject)]

    async def said(self, type_: str, count: int = 1) -> Any:  # noqa: ANN401 -- JSON
        """Return the body of the newest event of a type, once there are `count`."""

        async def there() -> list[Any]:
            found = [body for envelope, body in self.events() if envelope.type == type_ and not envelope.resend]
            return found if len(found) >= count else []

        return (await eventually(there, 30.0))[-1]


def alert(name: str, at: datetime, *, recovered: bool = False, **more: Any) -> Alert:  # noqa: ANN401 -- fields of an alert
    """Return a sighting of an alert."""
    given: dict[str, Any] = {
        "fingerprint": fingerprint("datadog", name),
        "source": "datadog",
        "source_key": name,
        "cycle": "c1",
        "status": AlertStatus.RECOVERED if recovered else AlertStatus.FIRING,
        "title": f"{name} is high",
        "severity": Severity.SEV2,
        "occurred_at": at,
        "metric": name,
    }
    return Alert(**given | more)


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    """A world with one run of a scenario, on loopback."""
    folder = tmp_path / "world"
    folder.mkdir()
    world = World(folder, PROJECT / "fixtures", NOWHERE, wall)
    outside = Outside(world, world.begin("high_cpu", speed=1.0, via="webhook", seed=None).run.id)
    app = outside.in_front_of(build_world_app(world, WORLD_TOKEN))
    listener = Listener(bind("127.0.0.1", 0, name="world"), app)
    await listener.start()
    outside.url = f"http://127.0.0.1:{listener.port}"
    yield outside
    await listener.stop()
    await world.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the diagnoser's database is."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "diagnoser.db")


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings that a test changes: override this fixture."""
    return {}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EngineProcess]:
    """The small engine behind the real process host; its folder is `tmp_path`."""
    engine = EngineProcess(case_seconds=20.0, command=[sys.executable, "-P", str(SMALL_ENGINE), str(tmp_path)])
    yield engine
    await engine.stop()


Start = Callable[[], Awaitable[Running]]


@pytest.fixture
async def start(
    tmp_path: Path, location: str, changes: dict[str, Any], outside: Outside, engine: EngineProcess
) -> AsyncIterator[Start]:
    """Start a diagnoser; whatever runs is stopped at the end."""
    running: list[Running] = []

    async def starter() -> Running:
        settings = Settings.model_validate(
            {"receipt_key": KEY, "world": {"url": outside.url, "token": WORLD_TOKEN}, **changes}
        )
        store = open_store(location, service="diagnoser", kinds=diagnoser.kinds(settings), tables=diagnoser.tables())
        bus = EmbeddedBus(tmp_path / "bus.db")
        await store.open()
        surroundings = Surroundings(data=tmp_path, project=PROJECT, service_token=TOKEN, peers={})
        service = diagnoser.build_app(settings, bus, store, surroundings, engine=engine)
        await store.start()
        await bus.start()
        await service.start()
        running.append(Running(service, store, bus, engine, outside))
        return running[-1]

    yield starter
    for one in running:
        await one.service.stop()
        await one.bus.stop()
        await one.store.close()


@pytest.fixture
async def running(start: Start) -> Running:
    """A running diagnoser."""
    return await start()
