"""The simulated world on a loopback listener, and what the executor sees of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from services.executor.actions.calling import Calling
from services.executor.adapters.outside import ConnectedOutside
from shared.incident.diagnosis import ActionRecommendation
from shared.incident.enums import RiskLevel
from shared.integrations.registry import Integrations
from shared.runbooks.load import load_runbooks
from shared.runbooks.model import Runbook
from shared.runtime.server import Listener, bind
from simulation.app import build_world_app
from simulation.driver import Address, World
from simulation.run import Done

PROJECT = Path(__file__).parents[3]
NOWHERE = Address(webhooks="http://127.0.0.1:9", control="http://127.0.0.1:9", secrets={}, token="t")
WORLD_TOKEN = "token-of-the-world"
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
    calling = Calling(integrations)
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
