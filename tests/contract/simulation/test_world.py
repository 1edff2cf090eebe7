"""The world through its own providers, over HTTP in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shared.errors import ConfigurationError, NotFoundError, UnavailableError
from shared.incident.enums import AlertStatus
from shared.integrations.acting import InfrastructureActuator, Post
from shared.integrations.reading import InfrastructureReader, MonitoringProvider, Window
from shared.integrations.registry import Integrations
from simulation.app import build_world_app
from simulation.driver import Address, World
from simulation.providers.acting import SimulatedSlack
from simulation.run import RESTART

FIXTURES = Path(__file__).parents[3] / "fixtures"
NOWHERE = Address(webhooks="http://127.0.0.1:9", control="http://127.0.0.1:9", secrets={}, token="t")
WALL = datetime(2026, 11, 24, 3, tzinfo=UTC).timestamp()


class Wall:
    """A wall clock that a test moves."""

    now = WALL

    def __call__(self) -> float:
        return self.now


def settings_for(world: World, token: str = "token") -> dict[str, object]:
    transport = httpx.ASGITransport(build_world_app(world, "token"))
    return {"world_url": "http://world", "world_token": token, "world_transport": transport}


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def world(tmp_path: Path, wall: Wall) -> AsyncIterator[World]:
    world = World(tmp_path, FIXTURES, NOWHERE, wall)
    yield world
    await world.stop()


@pytest.fixture
async def run(world: World) -> str:
    return world.begin("high_cpu", speed=60.0, via="webhook", seed=None).run.id


async def test_providers_show_the_run_up_to_its_data_time(world: World, run: str, wall: Wall) -> None:
    integrations = Integrations(settings_for(world))
    monitoring = integrations.get(MonitoringProvider, f"sim:{run}")
    wall.now += 5
    now = await monitoring.now()
    assert now == datetime.fromtimestamp(WALL + 300, UTC)
    assert await monitoring.pace() == 60.0
    window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
    [cpu] = [s for s in await monitoring.series(["prod-web-03"], window) if s.name == "cpu.percent"]
    assert cpu.start + timedelta(seconds=cpu.step_seconds * (len(cpu.values) - 1)) <= now
    assert {line.entity for line in await monitoring.logs(["prod-web-03"], window)} == {"prod-web-03"}
    await integrations.close()


async def test_a_call_is_obeyed_once_and_found_by_its_token(world: World, run: str) -> None:
    integrations = Integrations(settings_for(world))
    actuator = integrations.get(InfrastructureActuator, f"sim:{run}")
    reader = integrations.get(InfrastructureReader, f"sim:{run}")
    assert await reader.find_call("tok") is None
    for _ in range(2):
        result = await actuator.call(RESTART, "prod-web-03", {"process": "storefront"}, token="tok", limit=5.0)
        assert result.outcome == "succeeded"
    record = await reader.find_call("tok")
    assert record is not None
    assert record.applied
    assert len(world.life(run).run.done) == 1
    await integrations.close()


async def test_a_refused_call_is_proven_to_have_done_nothing(world: World, run: str) -> None:
    actuator = Integrations(settings_for(world)).get(InfrastructureActuator, f"sim:{run}")
    result = await actuator.call(RESTART, "prod-web-99", {"process": "x"}, token="tok", limit=5.0)
    assert (result.outcome, result.detail) == ("failed_safe", "unknown host 'prod-web-99'")


async def test_a_world_that_is_away_leaves_a_call_in_doubt(run: str) -> None:
    settings = {"world_url": "http://127.0.0.1:9", "world_token": "token"}
    actuator = Integrations(settings).get(InfrastructureActuator, f"sim:{run}")
    assert (await actuator.call(RESTART, "prod-web-03", {}, token="tok", limit=2.0)).outcome == "unknown"


async def test_the_live_environment_has_no_simulated_provider(world: World) -> None:
    integrations = Integrations(settings_for(world))
    assert integrations.find(MonitoringProvider, "live") is None
    with pytest.raises(NotFoundError):
        integrations.get(MonitoringProvider, "live")


async def test_without_the_token_nothing_is_shown(world: World, run: str) -> None:
    monitoring = Integrations(settings_for(world, "wrong")).get(MonitoringProvider, f"sim:{run}")
    with pytest.raises(UnavailableError, match="401"):
        await monitoring.now()


async def test_a_message_is_edited_in_place_and_keeps_its_thread(world: World, run: str) -> None:
    slack = SimulatedSlack(f"sim:{run}", settings_for(world))
    for text, line in (("opened", "opened"), ("closed", ""), ("closed", "closed")):
        await slack.upsert(Post(marker="m", text=text, fields={}, thread=line))
    assert {m: (p["text"], p["thread"]) for m, p in world.life(run).slack.items()} == {
        "m": ("closed", ["opened", "closed"])
    }


async def test_a_restarted_world_goes_on_where_it_was(tmp_path: Path, wall: Wall) -> None:
    first = World(tmp_path, FIXTURES, NOWHERE, wall)
    life = first.begin("high_cpu", speed=60.0, via="webhook", seed=3)
    wall.now += 10
    await first.start()
    first.call(life, RESTART, "prod-web-03", {"process": "storefront"}, "tok")
    first.post(life, "m", {"text": "hello"})
    first.look(life)
    await first.stop()

    second = World(tmp_path, FIXTURES, NOWHERE, wall)
    again = second.life(life.run.id)
    assert again == life
    await second.stop()


@pytest.mark.usefixtures("world")
async def test_two_worlds_cannot_own_one_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="in use by another world"):
        World(tmp_path, FIXTURES, NOWHERE, Wall())


async def test_monitors_that_fire_are_listed(world: World, run: str, wall: Wall) -> None:
    wall.now += 5
    world.look(world.life(run))
    monitoring = Integrations(settings_for(world)).get(MonitoringProvider, f"sim:{run}")
    assert {(m.entity, m.status) for m in await monitoring.monitors()} == {
        ("prod-web-03", AlertStatus.FIRING),
        ("storefront", AlertStatus.FIRING),
    }
