"""A whole notifier on an embedded bus and an SQLite store; the other services are what they say on the wire."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.notifier import app as notifier
from services.notifier.settings import Settings
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import WireRecord
from shared.events.envelope import headers_of, read_headers
from shared.events.payload import DECISIONS, REQUESTS, Payload
from shared.runtime.clock import wall
from shared.runtime.secrets import private_key, public_text
from shared.runtime.server import Listener, bind
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from shared.store.port import Store
from tests.support.kinds import eventually
from tests.unit.notifier.story import INCIDENT, PEM, RUN

BASE = "http://127.0.0.1:8700"
CATALOGUE = ("saturation.cpu_by_traffic", "db.pool", "db.slow_query", "resource_leak.memory_after_deploy")
RUN_TOKEN = "run-token-of-this-test"
BROWSER = {"origin": BASE, "sec-fetch-site": "same-origin"}


@dataclass
class Others:
    """Executor, diagnoser and ingest as their routes answer."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    refuses_live: bool = True
    is_silent: bool = False

    def routes(self) -> Starlette:
        async def freeze(request: Request) -> Response:
            body = await request.json()
            self.asked.append(("freeze", body))
            if self.refuses_live and orjson.loads(body["decision"])["environment"] == "live":
                return JSONResponse({"error": "SAMPLE people decide in simulated runs only"}, 409)
            return JSONResponse({"frozen": True, "allow_rollback": False, "permits_out": []})

        async def delivery(request: Request) -> Response:
            if request.path_params["receipt"] != "decided":
                return JSONResponse([])
            return JSONResponse([{"receipt": "decided", "disposition": "new_incident"}])

        async def receipt(request: Request) -> Response:
            known = request.path_params["receipt"] == "waiting"
            return JSONResponse({} if known else {"error": "no such receipt"}, 200 if known else 404)

        async def letters(_: Request) -> Response:
            return JSONResponse([{"service": "executor", "message_id": "m", "reason": "poison"}])

        async def requeue(request: Request) -> Response:
            self.asked.append(("requeue", request.path_params["id"]))
            return JSONResponse({"requeued": request.path_params["id"]})

        async def causes(_: Request) -> Response:
            self.asked.append(("causes", None))
            if self.is_silent:
                return JSONResponse({"error": "it is away"}, 503)
            return JSONResponse([{"id": name, "title": f"{name} of …"} for name in CATALOGUE])

        return Starlette(
            routes=[
                Route("/causes", causes),
                Route("/control/freeze", freeze, methods=["POST"]),
                Route("/deliveries/{receipt:path}", delivery),
                Route("/control/receipts/{receipt:path}", receipt),
                Route("/control/dead-letters", letters),
                Route("/control/dead-letters/requeue/{id:path}", requeue, methods=["POST"]),
            ]
        )


@dataclass
class World:
    """What was posted to the simulated Slack."""

    url: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    is_down: bool = False


@dataclass
class Running:
    """A running notifier, its bus, and ways to talk to it."""

    service: Service
    store: Store
    bus: EmbeddedBus
    others: Others
    public: str
    count: int = 0

    async def tell(self, *payloads: Payload, incident: str = INCIDENT, environment: str = RUN, **given: Any) -> None:  # noqa: ANN401 -- fields of the envelope
        """Say something as the service that owns it."""
        records = []
        for payload in payloads:
            self.count += 1
            event = payload.outgoing(incident, environment=environment, causation=given.get("causation", ""))
            event_id = given.get("event_id") or f"{payload.owner}/{incident}:{self.count}"
            headers = headers_of(event, event_id=event_id, source=f"signoff/{payload.owner}", now=wall())
            if "resend" in given:
                headers["ce_resend"] = str(given["resend"])
            records.append(WireRecord(event.topic, incident, headers, orjson.dumps(event.body)))
        assert not await self.bus.append(records)

    async def sent(self, topic: str, count: int = 1) -> list[tuple[Any, Any]]:
        """Return (envelope, body) of what the notifier sent, once there are `count`."""

        async def enough() -> list[tuple[Any, Any]]:
            rows = self.bus._file.read(topic, 0, 500)
            found = [(read_headers(orjson.loads(row.headers)), orjson.loads(row.body)) for row in rows]
            return found if len(found) >= count else []

        return await eventually(enough)

    async def decisions(self, count: int = 1) -> list[tuple[Any, Any]]:
        """Return what was sent on `decisions.v1` as decisions."""

        async def enough() -> list[tuple[Any, Any]]:
            found = [one for one in await self.sent(DECISIONS, 1) if one[0].type == "decision.submitted"]
            return found if len(found) >= count else []

        return await eventually(enough)

    async def requests(self, count: int = 1) -> list[tuple[Any, Any]]:
        """Return what was sent on `requests.v1`."""
        return await self.sent(REQUESTS, count)

    def client(self, token: str = "", *, address: str = "127.0.0.1", **headers: str) -> httpx.AsyncClient:
        """Return a client of the console's listener; `token` is a bearer's."""
        given = {**headers, **({"authorization": f"Bearer {token}"} if token else {})}
        transport = httpx.ASGITransport(self.service.asgi, raise_app_exceptions=False, client=(address, 50000))
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=given)

    def operator(self) -> httpx.AsyncClient:
        """Return a client with the run token."""
        return self.client(RUN_TOKEN)

    async def browser(self, person: str = "sample-approver") -> httpx.AsyncClient:
        """Return a browser that has signed in by a login link."""
        async with self.operator() as operator:
            token = (await operator.post("/api/login-links", json={"person": person})).json()["token"]
        browser = self.client(**{"sec-fetch-site": "same-origin", "origin": BASE})
        answer = await browser.post("/login", data={"login": token, "next": "/"})
        assert answer.status_code == 303
        return browser

    async def stage(self, stage: str) -> None:
        """Return when the incident is in a stage."""

        async def there() -> bool:
            state = await self.store.state(f"incident/{INCIDENT}")
            return bool(state and state["overview"] and state["overview"]["incident"]["stage"] == stage)

        await eventually(there)

    async def journaled_in_store(self, count: int) -> None:
        """Return when the journal of the incident holds `count` events."""

        async def there() -> bool:
            state = await self.store.state(f"incident/{INCIDENT}")
            return bool(state and state["n"] >= count)

        await eventually(there)

    async def journaled(self, count: int, incident: str = INCIDENT) -> list[dict[str, Any]]:
        """Return the journal by the API, once it holds at least `count` events."""

        async def enough() -> list[dict[str, Any]]:
            async with self.operator() as operator:
                answer = await operator.get(f"/api/incidents/{incident}/events")
            found: list[dict[str, Any]] = answer.json() if answer.is_success else []
            return found if len(found) >= count else []

        return await eventually(enough)


def csrf_of(page: str) -> str:
    """Return the CSRF token of a page's forms."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page[:500]
    return found[1]


@pytest.fixture
def changes() -> dict[str, Any]:
    """Settings that a test changes: override this fixture."""
    return {}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A world that listens, whose Slack keeps what is posted."""
    seen = World()

    async def slack(request: Request) -> Response:
        if seen.is_down:
            return JSONResponse({"error": "down"}, 503)
        seen.posts.append(await request.json())
        return JSONResponse({})

    listener = Listener(
        bind("127.0.0.1", 0, name="world"), Starlette(routes=[Route("/runs/{run}/slack", slack, methods=["POST"])])
    )
    await listener.start()
    seen.url = f"http://127.0.0.1:{listener.port}"
    yield seen
    await listener.stop()


@pytest.fixture
def location(tmp_path: Path) -> str | Path:
    """Where the notifier's database is."""
    return tmp_path / "notifier.db"


@pytest.fixture
async def running(
    tmp_path: Path, location: str | Path, changes: dict[str, Any], world: World
) -> AsyncIterator[Running]:
    """A running notifier."""
    pem = PEM
    made = Settings.model_validate(
        {
            "base_url": BASE,
            "run_token": RUN_TOKEN,
            "signing_key": pem,
            "kid": "test",
            "world": {"url": world.url, "token": "token-of-the-world"},
            **changes,
        }
    )
    store = open_store(location, service="notifier", kinds=notifier.kinds(made), tables=notifier.tables())
    bus, others = EmbeddedBus(tmp_path / "bus.db"), Others()
    peers = {
        name: httpx.AsyncClient(transport=httpx.ASGITransport(others.routes()), base_url=f"http://{name}")
        for name in ("ingest", "diagnoser", "executor")
    }
    await store.open()
    surroundings = Surroundings(data=tmp_path, project=tmp_path, service_token="t", peers=peers)
    service = notifier.build_app(made, bus, store, surroundings)
    await store.start()
    await bus.start()
    await service.start()
    yield Running(service, store, bus, others, public_text(private_key(pem)))
    await service.stop()
    await bus.stop()
    await store.close()
    for peer in peers.values():
        await peer.aclose()
