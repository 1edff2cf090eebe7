"""A 2xx survives `kill -9`, wherever it hits and wherever the delivery is: on the bus, in the spool, between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx
import orjson
import pytest

from tests.contract.ingest.conftest import OLD, TOKEN, alert, locked
from tests.support.kinds import eventually

ROOT = Path(__file__).parents[3]
SENDERS = 4
BY_THE_TEST = ""
"""No failpoint: the test kills after so many answers."""


@contextlib.asynccontextmanager
async def process(folder: Path, failpoint: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run ingest as a process of its own; killed at the end if it still runs."""
    environment = {**os.environ, "SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint}
    program = [sys.executable, "-m", "tests.contract.ingest.ingest_main", str(folder)]
    child = await asyncio.create_subprocess_exec(*program, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        yield child, (await child.stdout.readline()).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()


class Senders:
    """Several senders, each with one key, each sending in order and after the answer to the one before."""

    def __init__(self) -> None:
        self.told: dict[int, list[str]] = {sender: [] for sender in range(SENDERS)}
        """Receipts that were given out, by key, in order."""

    async def send(self, url: str, limit: int) -> None:
        """Send until the process is gone, or until each was told `limit` receipts more."""
        await asyncio.gather(*(self._send(url, sender, limit) for sender in self.told))

    async def _send(self, url: str, sender: int, limit: int) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            for number in range(limit):
                try:
                    body = alert(number, monitor=str(sender))
                    answer = await client.post("/webhooks/datadog", content=body, headers={"X-Signoff-Token": OLD})
                except httpx.TransportError:
                    return
                assert answer.status_code == 202
                self.told[sender].append(answer.json()["receipt"])


async def drained(url: str) -> None:
    """Return when the spool is empty."""
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}) as client:

        async def is_empty() -> bool:
            return int((await client.get("/control/account")).json()["in_spool"]) == 0

        await eventually(is_empty, limit=30.0)


def receipts(path: Path) -> list[str]:
    """Return the receipts on the bus, first occurrences, in order."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows: Iterable[tuple[bytes]] = connection.execute('select body from log order by "offset"').fetchall()
    return list(dict.fromkeys(orjson.loads(body)["receipt"] for (body,) in rows))


@pytest.mark.crash
@pytest.mark.parametrize(
    "failpoint, bus_answers",
    [
        ("bus.before_append:5", True),
        ("bus.after_append:5", True),
        ("store.before_commit:4", False),
        ("store.after_commit:4", False),
        ("relay.before_send:1", False),
        (BY_THE_TEST, True),
        (BY_THE_TEST, False),
    ],
)
async def test_killed_while_it_accepts_it_loses_nothing_that_it_acknowledged(
    tmp_path: Path, failpoint: str, *, bus_answers: bool
) -> None:
    senders = Senders()
    async with process(tmp_path, failpoint) as (child, url):
        if not bus_answers:
            await senders.send(url, 1)  # What goes to the spool may be on its way before anybody is told of it.
        with contextlib.nullcontext() if bus_answers else locked(tmp_path / "bus.db"):
            sending = asyncio.create_task(senders.send(url, 60))
            if failpoint == BY_THE_TEST:

                async def some_are_told() -> bool:
                    return sum(map(len, senders.told.values())) >= 40

                await eventually(some_are_told)
                child.kill()
            assert await child.wait() == -signal.SIGKILL
            await sending
    await check(tmp_path, senders)


@pytest.mark.crash
@pytest.mark.parametrize(
    "failpoint", ["relay.after_send:1", "relay.before_delete:1", "relay.after_delete:1", "bus.after_append:1"]
)
async def test_killed_while_it_empties_the_spool_it_loses_nothing(tmp_path: Path, failpoint: str) -> None:
    senders = Senders()
    async with process(tmp_path, BY_THE_TEST) as (_, url):
        with locked(tmp_path / "bus.db"):
            await senders.send(url, 20)
    async with process(tmp_path, failpoint) as (child, _):
        assert await child.wait() == -signal.SIGKILL
    await check(tmp_path, senders)


async def check(folder: Path, senders: Senders) -> None:
    """Start once more and compare what senders were told with what is on the bus."""
    async with process(folder, BY_THE_TEST) as (_, url):
        await drained(url)
    found = receipts(folder / "bus.db")
    assert sum(map(len, senders.told.values()))
    for told in senders.told.values():
        assert [receipt for receipt in found if receipt in set(told)] == told
