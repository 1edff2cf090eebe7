"""A database that answers late, holds locks, breaks transactions off or has no room for a connection."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.resilience.account import left_behind, toll, verify
from tests.resilience.conftest import Tell
from tests.resilience.story import endured, running, said, under_way
from tests.support.echo_main import Place
from tests.support.postgres import LocalPostgres
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.crash, pytest.mark.postgres, pytest.mark.timeout(240)]

Harm = Callable[[Proxy, str], Awaitable[None]]
LOCKED, SLOW, CONTENDED, CROWDED = 2.0, 12.0, 5.0, 4.0
"""Seconds of each harm."""
LATENCY = 2.5
"""Seconds that each piece waits, each way: a statement takes five."""
SEED = 15
HALF_AN_HOUR = 1800.0


@dataclass(frozen=True, slots=True)
class Form:
    """For how many seconds the server is killed again and again, with how many in between, under which load."""

    name: str
    seconds: float
    between: tuple[float, float]
    rounds: int
    pace: float


QUICKLY = Form("quickly", 30.0, (1.0, 5.0), rounds=12, pace=0.5)
LONG = Form("for half an hour", HALF_AN_HOUR, (5.0, 40.0), rounds=60, pace=5.0)


async def slow(proxy: Proxy, url: str) -> None:
    """Let every statement take seconds."""
    del url
    proxy.latency = LATENCY
    await asyncio.sleep(SLOW)
    proxy.heal()


async def locked(proxy: Proxy, url: str) -> None:
    """Hold the table that numbers all messages, as a careless migration does."""
    del proxy
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("lock table echo.key_head in access exclusive mode")
        await asyncio.sleep(LOCKED)
    await connection.close()


async def contended(proxy: Proxy, url: str) -> None:
    """Hold rows in another order than the service takes them in, so that the server breaks transactions off."""
    del proxy
    chance, end = random.Random(SEED), time.monotonic() + CONTENDED
    connection = await asyncpg.connect(url)
    while time.monotonic() < end:
        rows = await connection.fetch("select agg from echo.key_head order by agg desc")
        with contextlib.suppress(asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            async with connection.transaction(isolation=chance.choice(["read_committed", "serializable"])):
                for row in rows:
                    await connection.execute("update echo.key_head set lane = lane where agg = $1", row["agg"])
                    await asyncio.sleep(0.02)
    await connection.close()


async def crowded(proxy: Proxy, url: str) -> None:
    """Take every connection that the server has, after ending those of the service."""
    del proxy
    taken = [await asyncpg.connect(url)]
    ending = "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'signoff-%'"
    with contextlib.suppress(asyncpg.TooManyConnectionsError):
        while True:
            await taken[0].execute(ending)
            taken.append(await asyncpg.connect(url))
    await asyncio.sleep(CROWDED)
    for connection in taken:
        await connection.close()


async def suffer(harm: Harm, url: str, folder: Path, tell: Tell) -> None:
    """Run the echo service while its database does it harm, and judge what is left when all is done."""
    parts = urlsplit(url)
    async with Proxy(parts.hostname or "", parts.port or 5432) as proxy:
        user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        through = urlunsplit(parts._replace(netloc=f"{user}{proxy.address}"))
        place = Place(through, folder)
        with running(place, "--settle", rounds=1, pace=0.2) as process:
            await under_way(place, process, steps=2)
            await harm(proxy, url)
            back = time.time()
            assert await asyncio.to_thread(process.wait, 120) == 0, said(place)
    left = await left_behind(Place(url, folder), 1)
    tell("embedded", f"database: {harm.__name__}", toll(left, 0, back))
    verify(left)


@pytest.fixture
def database() -> str:
    """The kind of database, for the table of costs."""
    return "postgres"


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(locked, id="locked"),
        pytest.param(slow, id="slow", marks=pytest.mark.nightly),
        pytest.param(contended, id="contended", marks=pytest.mark.nightly),
    ],
)
async def test_whatever_the_database_does_to_statements_all_happens_once_and_in_order(
    harm: Harm, postgres_url: str, tmp_path: Path, tell: Tell
) -> None:
    await suffer(harm, postgres_url, tmp_path, tell)


@pytest.mark.nightly
async def test_a_database_without_room_for_a_connection_is_waited_for(
    private_postgres: LocalPostgres, tmp_path: Path, tell: Tell
) -> None:
    await suffer(crowded, private_postgres.create(), tmp_path, tell)


@pytest.mark.nightly
@pytest.mark.timeout(3 * HALF_AN_HOUR)
@pytest.mark.parametrize("form", [pytest.param(form, id=form.name) for form in (QUICKLY, LONG)])
async def test_a_database_killed_again_and_again_loses_and_doubles_nothing(
    form: Form, private_postgres: LocalPostgres, tmp_path: Path, tell: Tell
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    kills = 0

    async def again_and_again() -> None:
        nonlocal kills
        end = time.monotonic() + form.seconds
        while time.monotonic() < end:
            await asyncio.to_thread(private_postgres.kill)
            await asyncio.sleep(chance.uniform(0.0, 2.0))
            await asyncio.to_thread(private_postgres.start)
            await asyncio.sleep(chance.uniform(*form.between))
            kills += 1

    cost = await endured(
        Place(private_postgres.create(), tmp_path), again_and_again, rounds=form.rounds, pace=form.pace
    )
    print(f"{kills} kills")  # noqa: T201 -- what a nightly run did
    tell("embedded", f"database: server killed again and again for {form.seconds:g} s, seed {seed}", cost)
