"""The simulated world on a loopback listener, and what the executor sees of it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from services.executor import app as executor
from services.executor.actions.calling import Calling
from services.executor.adapters.outside import ConnectedOutside
from services.executor.settings import Settings
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import WireRecord
from shared.events.envelope import headers_of, read_headers
from shared.events.investigations import RecommendationMade
from shared.events.payload import INCIDENTS, Payload
from shared.events.people import DecisionSubmitted
from shared.incident.diagnosis import ActionRecommendation, RecommendationSet
from shared.incident.enums import RiskLevel
from shared.integrations.registry import Integrations
from shared.runbooks.decision import SignedDecision, sign
from shared.runbooks.load import load_runbooks
from shared.runbooks.model import Runbook
from shared.runtime.secrets import new_key, private_key, public_text
from shared.runtime.server import Listener, bind
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store
from simulation.app import build_world_app
from simulation.driver import Address, World
from simulation.run import Done
from tests.support.kinds import eventually

PROJECT = Path(__file__).parents[3]
NOWHERE = Address(webhooks="http://127.0.0.1:9", control="http://127.0.0.1:9", secrets={}, token="t")
WORLD_TOKEN = "token-of-the-world"
SERVICE_TOKEN = "token-of-the-services"
INCIDENT = "INC-AAAAAAAAAA"
SPEED = 120.0
RUNBOOK = "restart-leaking-service"
HOST, PID = "prod-web-03", 4211


class Wall:
    """A wall clock that a test may set ahead."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Line:
    """The line to the world, which a test may cut."""

    inner: ASGIApp
    loses_answers: bool = False
    """The world hears a call and obeys it; its answer is lost."""
    holds_answers: asyncio.Event | None = None
    is_down: bool = False
    refuses: str = ""
    """What the world says instead of obeying a call."""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is not cut off."""
        self.asked.append(scope["path"].rpartition("/")[2])
        if self.is_down:
            await _gone(send)
            return
        if scope["path"].endswith("/calls"):
            if self.holds_answers is not None:
                await self.holds_answers.wait()
            if self.refuses:
                await JSONResponse({"error": self.refuses}, 404)(scope, receive, send)
                return
            if self.loses_answers:
                await self.inner(scope, receive, _nowhere)
                await _gone(send)
                return
        await self.inner(scope, receive, send)


async def _nowhere(_: Any) -> None:  # noqa: ANN401 -- an ASGI message
    """Lose a message."""


async def _gone(send: Send) -> None:
    await send({"type": "http.response.start", "status": 502, "headers": []})
    await send({"type": "http.response.body", "body": b"gone"})


@dataclass
class Place:
    """One run of the world, and how the executor reaches it."""

    world: World
    wall: Wall
    line: Line
    url: str
    run: str
    integrations: Integrations
    calling: Calling
    outside: ConnectedOutside
    runbooks: dict[str, Runbook]

    @property
    def environment(self) -> str:
        return f"sim:{self.run}"

    @property
    def done(self) -> list[Done]:
        """What was done in the world."""
        return self.world.life(self.run).run.done

    async def now(self) -> float:
        """The database's clock."""
        return self.wall()

    def item(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 -- fields of a recommendation
        """Return the recommendation that helps."""
        given = {
            "runbook_id": RUNBOOK,
            "runbook_sha256": self.runbooks[RUNBOOK].sha256,
            "title": "Restart",
            "cause": "resource_leak.memory",
            "entity": HOST,
            "parameters": {"host": HOST},
            "risk": RiskLevel.MEDIUM,
            "confidence": 0.8,
            "rationale": "memory grows since the deploy",
            **changes,
        }
        return ActionRecommendation.model_validate(given).model_dump(mode="json")

    def restart(self, host: str = HOST) -> None:
        """Restart the process behind the executor's back."""
        self.world.call(self.world.life(self.run), "host/restart-process@v1", host, {"process": "storefront"}, "other")


async def began() -> float:
    """The database's clock of a call that begins at once."""
    return 0.0


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A run in which a process leaks memory."""
    wall = Wall()
    world = World(tmp_path, PROJECT / "fixtures", NOWHERE, wall)
    life = world.begin("high_cpu", speed=SPEED, via="webhook", seed=7)
    line = Line(build_world_app(world, WORLD_TOKEN))
    listener = Listener(bind("127.0.0.1", 0, name="world"), line)
    await listener.start()
    url = f"http://127.0.0.1:{listener.port}"
    integrations = Integrations({"world_url": url, "world_token": WORLD_TOKEN})
    calling = Calling(integrations, began)
    outside = ConnectedOutside(integrations, calling.verbs)
    runbooks = load_runbooks(PROJECT / "runbooks")
    yield Place(world, wall, line, url, life.run.id, integrations, calling, outside, runbooks)
    await integrations.close()
    if line.holds_answers is not None:
        line.holds_answers.set()
    await listener.stop()
    await world.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the executor's database is."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(tmp_path / "executor.db")


@dataclass
class Running:
    """A running executor: what it is told, and what it says."""

    place: Place
    store: Store
    bus: EmbeddedBus
    service: Service
    signer: Ed25519PrivateKey
    count: int = 0

    async def tell(self, *payloads: Payload, incident: str = INCIDENT, environment: str = "", resend: int = 0) -> None:
        """Say something as the service that owns it."""
        records = []
        for payload in payloads:
            self.count += 0 if resend else 1
            event = payload.outgoing(incident, environment=environment or self.place.environment)
            headers = headers_of(
                event,
                event_id=f"{payload.owner}/{incident}:{self.count}",
                source=f"signoff/{payload.owner}",
                now=time.time(),
            )
            resent = {"ce_resend": str(resend)} if resend else {}
            records.append(WireRecord(event.topic, incident, headers | resent, orjson.dumps(event.body)))
        assert not await self.bus.append(records)

    async def recommend(self, *items: dict[str, Any], environment: str = "", number: int = 1) -> None:
        """Recommend, by default what helps."""
        made = RecommendationMade(
            recommendation_id=f"rec-{number}",
            investigation_id="inv-1",
            recommendations=RecommendationSet.model_validate({"items": items or (self.place.item(),)}),
        )
        await self.tell(made, environment=environment)

    def signed(self, verb: str, **changes: Any) -> dict[str, str]:  # noqa: ANN401 -- fields of a decision
        """Return a signed decision."""
        now = datetime.now(UTC)
        decision = SignedDecision.model_validate(
            {
                "kid": "test",
                "environment": self.place.environment,
                "incident_id": INCIDENT,
                "subject": "",
                "verb": verb,
                "person": "sample-approver",
                "via": "cli:local",
                "authenticated_at": now,
                "nonce": secrets.token_hex(16),
                "time": now,
                **changes,
            }
        )
        text, signature = sign(decision, self.signer)
        return {"decision": text, "signature": signature}

    async def decide(self, verb: str, asked: dict[str, Any], **changes: Any) -> None:  # noqa: ANN401 -- fields of a decision
        """Decide on a question, as the sample approver."""
        about = {"subject": asked["approval_id"], "plan_sha256": asked["plan_sha256"], **changes}
        await self.tell(DecisionSubmitted.model_validate(self.signed(verb, **about)))

    async def said(self) -> list[tuple[str, dict[str, Any]]]:
        """Return (type, body) of everything the executor said, oldest first; an id that was sent again counts once."""
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for row in self.bus._file.read(INCIDENTS, 0, 500):
            envelope = read_headers(orjson.loads(row.headers))
            if envelope.source.endswith("executor"):
                found.setdefault(envelope.id, (envelope.type, orjson.loads(row.body)))
        return list(found.values())

    async def until(self, *types: str, limit: float = 15.0) -> dict[str, Any]:
        """Return the body of the newest event of one of these types, once there is one."""

        async def there() -> dict[str, Any] | None:
            found = [body for kind, body in await self.said() if kind in types]
            return found[-1] if found else None

        try:
            return await eventually(there, limit) or {}
        except AssertionError as error:
            raise AssertionError(f"no {' or '.join(types)} among {await self.said()}") from error

    def client(self, token: str = SERVICE_TOKEN) -> httpx.AsyncClient:
        """Return a client of the listener."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.service.asgi, raise_app_exceptions=False),
            base_url="http://executor",
            headers={"Authorization": f"Bearer {token}"},
        )


@dataclass
class Starter:
    """Starts executors over one database and one log, one at a time, as a process would be restarted."""

    place: Place
    location: str
    folder: Path
    pem: str = field(default_factory=new_key)
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings that a test changes."""
    running: Running | None = None

    def rewrite(self, *changes: tuple[str, str]) -> None:
        """Let the runbook say something else: (old, new) texts."""
        folder = self.folder / "runbooks" / RUNBOOK
        folder.mkdir(parents=True, exist_ok=True)
        text = (PROJECT / "runbooks" / RUNBOOK / "runbook.yaml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (folder / "runbook.yaml").write_text(text)
        self.place.runbooks = load_runbooks(folder.parent)
        self.changes["runbooks"] = folder.parent

    async def start(self) -> Running:
        """Start an executor that trusts the key `test`."""
        public = public_text(private_key(self.pem))
        world = {"url": self.place.url, "token": WORLD_TOKEN}
        settings = Settings.model_validate({"trusted_keys": {"test": public}, "world": world, **self.changes})
        store = open_store(self.location, service="executor", kinds=executor.kinds(settings), tables=executor.tables())
        await store.open()
        bus = EmbeddedBus(self.folder / "bus.db")
        surroundings = Surroundings(data=self.folder, project=PROJECT, service_token=SERVICE_TOKEN, peers={})
        service = executor.build_app(settings, bus, store, surroundings)
        await store.start()
        await bus.start()
        await service.start()
        count = self.running.count if self.running else 0
        self.running = Running(self.place, store, bus, service, private_key(self.pem), count)
        return self.running

    async def stop(self) -> None:
        """Stop it as a signal would."""
        if self.running is not None:
            await self.running.service.stop()
            await self.running.bus.stop()
            await self.running.store.close()

    @contextlib.asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Have only the bus while the executor is down."""
        assert self.running is not None
        await self.stop()
        self.running.bus = EmbeddedBus(self.folder / "bus.db")
        await self.running.bus.start()
        yield
        await self.running.bus.stop()


@pytest.fixture
async def starter(place: Place, location: str, tmp_path: Path) -> AsyncIterator[Starter]:
    """Where executors are started."""
    starter = Starter(place, location, tmp_path)
    yield starter
    await starter.stop()


@pytest.fixture
async def running(starter: Starter) -> Running:
    """A running executor."""
    return await starter.start()
