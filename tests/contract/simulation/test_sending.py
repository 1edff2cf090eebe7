"""The world posts to an ingest that is there, away, or refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.errors import ConfigurationError
from shared.runtime.server import Listener, bind
from simulation.driver import World
from simulation.life import QUIET_SECONDS, RUN_SECONDS, Life
from simulation.run import RESTART
from simulation.sending import Address
from tests.contract.simulation.test_world import FIXTURES, Wall
from tests.support.kinds import eventually


@dataclass
class Ingest:
    """What stands where ingest would; `status` is what it answers."""

    address: Address
    status: int = 202
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if self.status == 202:
            self.taken.append((request.url.path, dict(request.headers), body))
        return JSONResponse({"error": "the answer of this test"}, self.status)

    async def has(self, count: int) -> list[tuple[str, dict[str, str], bytes]]:
        """Return what was taken once there are `count`."""

        async def enough() -> bool:
            return len(self.taken) >= count

        await eventually(enough)
        return self.taken


async def settled(world: World, life: Life) -> None:
    """Return when ingest has taken everything and the world knows it."""

    async def is_settled() -> bool:
        return not world.problems(life) and not life.untaken

    await eventually(is_settled)


@pytest.fixture
async def ingest() -> AsyncIterator[Ingest]:
    found = bind("127.0.0.1", 0, name="ingest")
    url = f"http://127.0.0.1:{found.getsockname()[1]}"
    secrets = {"datadog": "replay-datadog", "pagerduty": "replay-pagerduty"}
    stand_in = Ingest(Address(webhooks=url, control=url, secrets=secrets, token="service-token"))
    paths = ("/webhooks/{source}", "/control/deliveries/{source}")
    listener = Listener(found, Starlette(routes=[Route(path, stand_in.answer, methods=["POST"]) for path in paths]))
    await listener.start()
    yield stand_in
    await listener.stop()


@pytest.fixture
def wall() -> Wall:
    return Wall()


async def test_both_vendors_tell_of_the_trouble_and_after_the_fix_of_the_recovery(
    tmp_path: Path, ingest: Ingest, wall: Wall
) -> None:
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    life = world.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    wall.now += 2
    world.look(life)
    await ingest.has(2)
    world.call(life, RESTART, "prod-web-03", {"process": "storefront"}, "tok")
    wall.now += 5
    world.look(life)
    found = [(path, orjson.loads(body)) for path, _, body in await ingest.has(4)]
    assert sorted(body.get("alert_transition") or body["event"]["event_type"] for path, body in found) == [
        "Recovered",
        "Triggered",
        "incident.resolved",
        "incident.triggered",
    ]
    assert {path for path, _ in found} == {"/webhooks/datadog", "/webhooks/pagerduty"}
    await settled(world, life)
    await world.stop()


async def test_a_run_via_the_topic_hands_the_same_bodies_to_the_control_route(
    tmp_path: Path, ingest: Ingest, wall: Wall
) -> None:
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    world.look(world.begin("high_cpu", speed=60.0, via="topic", seed=None))
    path, headers, body = (await ingest.has(1))[0]
    assert path == "/control/deliveries/datadog"
    assert headers["authorization"] == "Bearer service-token"
    assert headers["signoff-run"] == next(iter(world.lives))
    assert orjson.loads(body)["alert_transition"] == "Triggered"
    await world.stop()


async def test_what_ingest_refuses_is_told_and_posted_again_with_the_same_bytes(
    tmp_path: Path, ingest: Ingest, wall: Wall
) -> None:
    ingest.status = 503
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    life = world.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    world.look(life)

    async def told() -> list[str]:
        return world.problems(life)

    [problem] = await eventually(told)
    assert problem.startswith("ingest answered 503")
    assert not world.is_refused(life)
    ingest.status = 401

    async def refused() -> bool:
        return world.is_refused(life)

    await eventually(refused)
    ingest.status = 202
    await ingest.has(1)
    await settled(world, life)
    await world.stop()


async def test_a_world_that_stopped_before_ingest_took_a_webhook_posts_it_when_it_is_back(
    tmp_path: Path, ingest: Ingest, wall: Wall
) -> None:
    away = Address(webhooks="http://127.0.0.1:9", control="", secrets=ingest.address.secrets, token="")
    first = World(tmp_path, FIXTURES, away, wall)
    life = first.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    wall.now += 2
    first.look(life)

    async def refused() -> list[str]:
        return first.problems(life)

    assert "does not answer" in (await eventually(refused))[0]
    await first.stop()

    second = World(tmp_path, FIXTURES, ingest.address, wall)
    await second.start()
    assert len(await ingest.has(2)) == 2
    await settled(second, second.life(life.run.id))
    await second.stop()

    third = World(tmp_path, FIXTURES, ingest.address, wall)
    assert third.life(life.run.id).untaken == []
    await third.stop()
    assert len(ingest.taken) == 2


async def test_a_run_ends_when_all_that_fired_has_been_quiet_for_a_while(
    tmp_path: Path, ingest: Ingest, wall: Wall
) -> None:
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    life = world.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    world.look(life)
    world.call(life, RESTART, "prod-web-03", {"process": "storefront"}, "tok")
    wall.now += 5
    world.look(life)
    assert not life.firing
    assert not life.is_over(wall.now)
    assert life.is_over(wall.now + QUIET_SECONDS / 60 + 1)
    await world.stop()


async def test_a_run_that_nobody_helps_ends_after_a_day(tmp_path: Path, ingest: Ingest, wall: Wall) -> None:
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    life = world.begin("high_cpu", speed=1.0, via="webhook", seed=None)
    world.look(life)
    assert not life.is_over(wall.now + RUN_SECONDS - 1)
    assert life.is_over(wall.now + RUN_SECONDS + 1)
    await world.stop()


async def test_a_line_that_a_crash_cut_off_costs_itself_only(tmp_path: Path, ingest: Ingest, wall: Wall) -> None:
    first = World(tmp_path, FIXTURES, ingest.address, wall)
    life = first.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    await first.stop()
    with (tmp_path / "world.jsonl").open("ab") as file:
        file.write(b'{"kind":"call","run":')
    second = World(tmp_path, FIXTURES, ingest.address, wall)
    second.post(second.life(life.run.id), "m", {"text": "hello"})
    await second.stop()
    third = World(tmp_path, FIXTURES, ingest.address, wall)
    assert third.life(life.run.id).slack["m"]["text"] == "hello"
    await third.stop()


async def test_a_ledger_that_is_not_one_stops_the_world_and_names_the_line(tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "world.jsonl").write_text("not json\n")
    with pytest.raises(ConfigurationError, match=r"world\.jsonl:1"):
        World(tmp_path, FIXTURES, ingest.address, Wall())


async def test_runs_of_a_scenario_that_is_gone_are_no_more_and_hold_nothing_up(
    tmp_path: Path, ingest: Ingest, wall: Wall
) -> None:
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    world.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    await world.stop()
    again = World(tmp_path, tmp_path, ingest.address, wall)
    assert again.lives == {}
    await again.stop()


async def test_runs_that_begin_in_one_millisecond_are_two_runs(tmp_path: Path, ingest: Ingest, wall: Wall) -> None:
    world = World(tmp_path, FIXTURES, ingest.address, wall)
    for _ in range(2):
        world.begin("high_cpu", speed=60.0, via="webhook", seed=None)
    assert len(world.lives) == 2
    await world.stop()
