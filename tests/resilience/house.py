"""Executor and notifier over one log, beside a simulated world with its ledger; the diagnoser is what it says.

A house is started once for a module. Each `Case` in it is one incident in a run of its own, so cases never meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import Receive, Scope, Send

from services.executor import app as executor
from services.executor.settings import Settings as ExecutorSettings
from services.notifier import app as notifier
from services.notifier.settings import Settings as NotifierSettings
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import WireRecord
from shared.events.envelope import headers_of
from shared.events.payload import INCIDENTS, Payload
from shared.events.people import DecisionSubmitted
from shared.runbooks.decision import SignedDecision, sign
from shared.runbooks.load import load_runbooks
from shared.runbooks.plan import digest
from shared.runtime.secrets import new_key, private_key, public_text
from shared.runtime.server import Listener, bind
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store
from simulation.app import build_world_app
from simulation.driver import Address, World
from simulation.life import Life
from tests.resilience.tampering import edit_state
from tests.support.kinds import eventually

PROJECT = Path(__file__).parents[2]
NOWHERE = Address(webhooks="http://127.0.0.1:9", control="http://127.0.0.1:9", secrets={}, token="t")
BASE = "http://127.0.0.1:8700"
RUN_TOKEN, WORLD_TOKEN, SERVICE_TOKEN = "run-token", "world-token", "service-token"
SPEED = 120.0
LIMIT = 20.0
RUNBOOK = "restart-leaking-service"
VARIANTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    RUNBOOK: (),
    "restart-soon": (("expires_seconds: 1800", "expires_seconds: 1"),),
    "restart-in-two-seconds": (("expires_seconds: 1800", "expires_seconds: 2"),),
    "restart-with-two": (("count: 1", "count: 2"),),
    "restart-high-risk": (("risk: medium", "risk: high"),),
}
"""Runbooks of the house: the project's own, and the same with another question."""
PEOPLE = """\
people:
  - {id: ann, name: Ann, roles: [viewer, responder, approver], email: ann@example.com}
  - {id: ben, name: Ben, roles: [viewer, responder, approver], email: ben@example.com}
  - {id: eve, name: Eve, roles: [viewer, responder], email: eve@example.com}
  - {id: una, name: Una, roles: [viewer, responder, approver], email: una@example.com}
  - {id: sam, name: SAMPLE Sam, roles: [viewer, responder, approver], sample: true}
"""


@dataclass(frozen=True)
class Heard:
    """One event as the log has it."""

    id: str
    type: str
    body: dict[str, Any]
    source: str


class House:
    """The services, their log, their databases, and the world outside."""

    def __init__(self, folder: Path, location: str) -> None:
        self.folder = folder
        self.pem = new_key()
        self.signer = private_key(self.pem)
        self.retired = private_key(new_key())
        """A key that was trusted until an hour ago."""
        self.spare = private_key(new_key())
        self.spare_is_trusted = True
        self.people = PEOPLE
        self.world = World(folder, PROJECT / "fixtures", NOWHERE, time.time)
        self.live = self.world.begin("high_cpu", speed=1.0, via="webhook", seed=7)
        """What `live` is connected to here."""
        self._location = location
        self._listener: Listener | None = None
        self._running: contextlib.AsyncExitStack | None = None
        self._sessions: dict[tuple[str, str], httpx.AsyncClient] = {}
        self.heard: dict[str, dict[str, Heard]] = {}
        """Incident -> event id -> event, of everything on `incidents.v1`."""
        self._bell = asyncio.Event()
        self._heard_up_to = 0
        self.count = 0

    async def open(self) -> None:
        """Let the world listen, and start the services."""
        self._listener = Listener(bind("127.0.0.1", 0, name="world"), build_world_app(self.world, WORLD_TOKEN))
        await self._listener.start()
        for name, changes in VARIANTS.items():
            self.write_runbook(name, (RUNBOOK, name), *changes)
        await self.start()

    async def close(self) -> None:
        """Stop everything."""
        for client in self._sessions.values():
            await client.aclose()
        await self.stop()
        if self._listener is not None:
            await self._listener.stop()
        await self.world.stop()

    def write_runbook(self, name: str, *changes: tuple[str, str]) -> None:
        """Write a runbook as the project's own with other texts."""
        text = (PROJECT / "runbooks" / RUNBOOK / "runbook.yaml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        folder = self.folder / "runbooks" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "runbook.yaml").write_text(text)

    async def start(self) -> None:
        """Start executor and notifier on what they left."""
        (self.folder / "people.yaml").write_text(self.people)
        self.runbooks = load_runbooks(self.folder / "runbooks")
        stack = self._running = contextlib.AsyncExitStack()
        self.bus = EmbeddedBus(self.folder / "bus.db")
        self.store = await self._service(stack, "executor", executor, self._executor_settings())
        self.journal = await self._service(stack, "notifier", notifier, self._notifier_settings())
        stack.push_async_callback(self.bus.stop)
        await self.bus.start()
        for service in (self.executor, self.notifier):
            stack.push_async_callback(service.stop)
            await service.start()
        listening = asyncio.create_task(self._listen())
        stack.callback(listening.cancel)

    async def stop(self) -> None:
        """Stop executor and notifier as a signal would."""
        if self._running is not None:
            await self._running.aclose()

    @contextlib.asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Have executor and notifier away for a while."""
        await self.stop()
        yield
        await self.start()

    @contextlib.asynccontextmanager
    async def without_una(self) -> AsyncIterator[None]:
        """Let Una be an approver no more, for a while."""
        people = self.people
        async with self.down():
            self.people = people.replace(
                "name: Una, roles: [viewer, responder, approver]", "name: Una, roles: [viewer]"
            )
        try:
            yield
        finally:
            async with self.down():
                self.people = people

    async def tamper(self, incident: str, *changes: tuple[str, str]) -> None:
        """Change the plan that is kept, while nobody runs, as who has the database could."""
        await self._rewrite(incident, changes, with_digest=False)

    async def replace_plan(self, incident: str, *changes: tuple[str, str]) -> None:
        """Change the plan and its digest."""
        await self._rewrite(incident, changes, with_digest=True)

    async def _rewrite(self, incident: str, changes: tuple[tuple[str, str], ...], *, with_digest: bool) -> None:
        def changed(state: dict[str, Any]) -> dict[str, Any]:
            approval = state["approval"]
            for old, new in changes:
                assert old in approval["plan"]
                approval["plan"] = approval["plan"].replace(old, new)
            if with_digest:
                approval["sha256"] = digest(approval["plan"])
            return state

        await edit_state(self._location or str(self.folder / "executor.db"), f"incident/{incident}", changed)

    async def _service(self, stack: contextlib.AsyncExitStack, name: str, app: Any, settings: Any) -> Store:  # noqa: ANN401 -- a service's module and settings
        location = self._location or self.folder / f"{name}.db"
        store = open_store(location, service=name, kinds=app.kinds(settings), tables=app.tables())
        stack.push_async_callback(store.close)
        await store.open()
        transport = httpx.ASGITransport(self._executor_now, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
        peers = {
            peer: httpx.AsyncClient(transport=transport, base_url=f"http://{peer}", headers=headers)
            for peer in ("ingest", "diagnoser", "executor")
        }
        surroundings = Surroundings(data=self.folder, project=PROJECT, service_token=SERVICE_TOKEN, peers=peers)
        service: Service = app.build_app(settings, self.bus, store, surroundings)
        setattr(self, name, service)
        await store.start()
        return store

    executor: executor.Executor
    notifier: Service

    async def _executor_now(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.executor.asgi(scope, receive, send)

    async def _notifier_now(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.notifier.asgi(scope, receive, send)

    def _executor_settings(self) -> ExecutorSettings:
        hour_ago = datetime.fromtimestamp(time.time() - 3600, UTC)
        return ExecutorSettings.model_validate(
            {
                "trusted_keys": {
                    "test": public_text(self.signer),
                    "retired": {"key": public_text(self.retired), "until": hour_ago},
                    **({"spare": public_text(self.spare)} if self.spare_is_trusted else {}),
                },
                "people_file": self.folder / "people.yaml",
                "runbooks": self.folder / "runbooks",
                "world": self._world(),
            }
        )

    def _notifier_settings(self) -> NotifierSettings:
        return NotifierSettings.model_validate(
            {
                "base_url": BASE,
                "run_token": RUN_TOKEN,
                "operator": "ann",
                "people_file": self.folder / "people.yaml",
                "signing_key": self.pem,
                "kid": "test",
                "other_keys": {"spare": public_text(self.spare)},
                "terminal": False,
                "world": self._world(),
            }
        )

    def _world(self) -> dict[str, str]:
        assert self._listener is not None
        return {"url": f"http://127.0.0.1:{self._listener.port}", "token": WORLD_TOKEN}

    def connect_live(self) -> None:
        """Connect `live` to a run of the world, which stands for production here."""
        integrations = self.executor._integrations
        integrations.settings = {**integrations.settings, "live_run": self.live.run.id}
        module = "tests.resilience.production"
        integrations.live = {
            "MonitoringProvider": f"{module}:Monitoring",
            "InfrastructureReader": f"{module}:Infrastructure",
            "InfrastructureActuator": f"{module}:Actuator",
        }

    def _is_unheard(self, newest: int) -> bool:
        """Say whether the log holds words about incidents that were not listened to yet."""
        found = self.bus._file.read(INCIDENTS, self._heard_up_to, 1)
        if not found:
            self._heard_up_to = newest
        return bool(found)

    async def _listen(self) -> None:
        async for received in self.bus.tail(INCIDENTS, from_start=True):
            envelope = received.envelope
            events = self.heard.setdefault(received.key, {})
            heard = Heard(envelope.id, envelope.type, orjson.loads(received.body), envelope.source)
            events.setdefault(envelope.id, heard)
            self._heard_up_to = max(self._heard_up_to, received.offset)
            self._bell.set()

    async def until(self, incident: str, *types: str, count: int = 1) -> Heard:
        """Return the newest event of these types of an incident, once there are `count`."""
        try:
            async with asyncio.timeout(LIMIT):
                while True:
                    self._bell.clear()
                    found = [one for one in self.heard.get(incident, {}).values() if one.type in types]
                    if len(found) >= count:
                        return found[-1]
                    await self._bell.wait()
        except TimeoutError as error:
            told = [(one.type, one.body) for one in self.heard.get(incident, {}).values()]
            raise AssertionError(f"no {' or '.join(types)} among {told}") from error

    async def tell(
        self, incident: str, environment: str, *payloads: Payload, source: str = "", event_id: str = ""
    ) -> None:
        """Say something as the service that owns it, or as who only says so."""
        records = []
        for payload in payloads:
            self.count += 1
            event = payload.outgoing(incident, environment=environment)
            found = event_id or f"{payload.owner}/{incident}:told-{self.count}"
            headers = headers_of(event, event_id=found, source=source or f"signoff/{payload.owner}", now=time.time())
            records.append(WireRecord(event.topic, incident, headers, orjson.dumps(event.body)))
        assert not await self.bus.append(records)

    async def submit(self, incident: str, environment: str, signed: Mapping[str, str]) -> str:
        """Put a decision on its topic; return its event id."""
        event_id = f"notifier/decision/{secrets.token_hex(8)}"
        await self.tell(incident, environment, DecisionSubmitted.model_validate(signed), event_id=event_id)
        return event_id

    def client(self, token: str = "") -> httpx.AsyncClient:
        """Return a client of the console's listener."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self._notifier_now, raise_app_exceptions=False, client=("127.0.0.1", 50000))
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    def control(self) -> httpx.AsyncClient:
        """Return a client of the executor's listener, as the notifier has one."""
        transport = httpx.ASGITransport(self._executor_now, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
        return httpx.AsyncClient(transport=transport, base_url="http://executor", headers=headers)

    async def command(self, person: str) -> httpx.AsyncClient:
        """Return the command of a person who signed in."""
        if ("command", person) not in self._sessions:
            async with self.client(RUN_TOKEN) as operator:
                token = (await operator.post("/api/sessions", json={"person": person})).json()["token"]
            self._sessions["command", person] = self.client(token)
        return self._sessions["command", person]

    async def browser(self, person: str) -> httpx.AsyncClient:
        """Return the browser of a person who signed in by a login link."""
        if ("browser", person) not in self._sessions:
            async with self.client(RUN_TOKEN) as operator:
                token = (await operator.post("/api/login-links", json={"person": person})).json()["token"]
            browser = self.client()
            browser.headers.update({"sec-fetch-site": "same-origin", "origin": BASE})
            answer = await browser.post("/login", data={"login": token, "next": "/"})
            assert answer.status_code == 303, answer.text
            self._sessions["browser", person] = browser
        return self._sessions["browser", person]

    def forget_sessions(self) -> None:
        """Let everybody sign in again before whatever they do next."""
        self._sessions.clear()

    def begin(self, speed: float = SPEED) -> Life:
        """Begin a run in which a process leaks memory."""
        return self.world.begin("high_cpu", speed=speed, via="webhook", seed=7)

    async def journaled(self, incident: str) -> None:
        """Return when the notifier holds everything that was said about an incident."""

        async def all_there() -> bool:
            if any(row.key == incident for row in await self.store.outbox()):
                return False
            newest = await asyncio.to_thread(self.bus._file.newest)
            if self._heard_up_to < newest and await asyncio.to_thread(self._is_unheard, newest):
                return False
            rows = await self.journal.rows(f"incident/{incident}", "event/")
            kept = {row.removeprefix("event/").removesuffix("/disbelieved") for row in rows}
            return set(self.heard.get(incident, {})) <= kept

        await eventually(all_there, LIMIT)

    def sign(self, decision: Mapping[str, Any], key: Ed25519PrivateKey | None = None) -> dict[str, str]:
        """Return a decision with its signature, by default the notifier's."""
        text, signature = sign(SignedDecision.model_validate(decision), key or self.signer)
        return {"decision": text, "signature": signature}
