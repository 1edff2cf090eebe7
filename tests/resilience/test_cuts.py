"""Lines to the database and to the broker that are reset, swallow bytes, lose replies or end in the middle of one."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.resilience.account import left_behind, toll, verify
from tests.resilience.conftest import Tell
from tests.resilience.load import open_far_kafka
from tests.resilience.story import running, said, under_way
from tests.support.echo_main import Place
from tests.support.kafka import LocalKafka
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]

Harm = Callable[[Proxy], Awaitable[None]]
SEED = 4
HOLE = 7.0
"""Seconds without a byte: more than a claim's lease and the limits of the database's own connections."""
CUTS = 12


async def resets(proxy: Proxy) -> None:
    """Reset everything, again and again."""
    for _ in range(CUTS):
        proxy.reset()
        await asyncio.sleep(0.15)


async def black_hole(proxy: Proxy) -> None:
    """Let nothing pass and tell nobody."""
    proxy.black_hole = True
    await asyncio.sleep(HOLE)
    proxy.heal()


async def lost_replies(proxy: Proxy) -> None:
    """Let what is asked arrive and lose what is answered: every commit and every send is in doubt."""
    for _ in range(2):
        proxy.lose_replies = True
        await asyncio.sleep(HOLE / 2)
        proxy.heal()
        await asyncio.sleep(0.5)


async def cut_replies(proxy: Proxy) -> None:
    """End each connection after so many bytes of its answers."""
    chance = random.Random(SEED)
    for _ in range(CUTS):
        proxy.cut_replies_at = chance.randrange(300, 6000)
        await asyncio.sleep(0.3)
    proxy.heal()


async def down(proxy: Proxy) -> None:
    """Let nobody listen for a while."""
    await proxy.down()
    await asyncio.sleep(2.0)
    await proxy.up()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database, for the table of costs."""
    return "postgres" if request.node.get_closest_marker("postgres") else "sqlite"


def harms(always: Harm) -> list[object]:
    """Return all harms; but for one they are for the long runs."""
    return [
        pytest.param(harm, id=harm.__name__, marks=() if harm is always else pytest.mark.nightly)
        for harm in (resets, black_hole, lost_replies, cut_replies, down)
    ]


async def suffer(place: Place, proxy: Proxy, harm: Harm) -> float:
    """Run the echo service while its line suffers, until all is done; return when the line was whole again."""
    with running(place, "--settle", rounds=1, pace=0.4) as process:
        await under_way(place, process, steps=2)
        await harm(proxy)
        back = time.time()
        assert await asyncio.to_thread(process.wait, 120) == 0, said(place)
    return back


@pytest.mark.postgres
@pytest.mark.parametrize("harm", harms(cut_replies))
async def test_whatever_happens_to_the_line_to_the_database_all_happens_once_and_in_order(
    harm: Harm, postgres_url: str, tmp_path: Path, tell: Tell
) -> None:
    parts = urlsplit(postgres_url)
    async with Proxy(parts.hostname or "", parts.port or 5432) as proxy:
        user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        through = urlunsplit(parts._replace(netloc=f"{user}{proxy.address}"))
        back = await suffer(Place(through, tmp_path), proxy, harm)
    left = await left_behind(Place(postgres_url, tmp_path), 1)
    tell("embedded", f"database line: {harm.__name__}", toll(left, 0, back))
    verify(left)
    assert proxy.opened > 1


@pytest.fixture(scope="module")
def far_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalKafka, int]]:
    """A broker that tells everybody to come by another port, and that port."""
    with open_far_kafka(tmp_path_factory.mktemp("far-kafka")) as found:
        yield found


@pytest.mark.kafka
@pytest.mark.parametrize("harm", harms(lost_replies))
async def test_whatever_happens_to_the_line_to_the_broker_all_happens_once_and_in_order(
    harm: Harm, far_kafka: tuple[LocalKafka, int], tmp_path: Path, tell: Tell
) -> None:
    broker, listen = far_kafka
    host, _, port = broker.bootstrap_servers.partition(":")
    place = Place(str(tmp_path / "echo.db"), tmp_path, f"127.0.0.1:{listen}", f"t{uuid.uuid4().hex[:10]}.")
    async with Proxy(host, int(port), listen=listen) as proxy:
        back = await suffer(place, proxy, harm)
        left = await left_behind(place, 1)
    tell("kafka", f"broker line: {harm.__name__}", toll(left, 0, back))
    verify(left)
    assert proxy.opened > 1
