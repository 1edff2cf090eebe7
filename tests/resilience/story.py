"""Start the echo service as a process, end it, start it again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from shared.bus.port import Bus
from shared.store.port import Store
from tests.resilience.account import Toll, in_all, left_behind, toll, verify
from tests.support import echo
from tests.support.echo_main import PINGS, Place
from tests.support.kinds import eventually
from tests.support.world import lines

ROOT = Path(__file__).parents[2]
END_LIMIT = 180.0
REACH_LIMIT = 90.0
"""Seconds within which a failpoint is reached, or never."""


@contextmanager
def running(place: Place, *options: str, rounds: int, pace: float = 0.02) -> Iterator[subprocess.Popen[bytes]]:
    """Run the echo service as a process of its own; whatever still runs at the end is killed."""
    where = [place.location, str(place.folder), f"--servers={place.servers}", f"--prefix={place.prefix}"]
    program = [
        sys.executable,
        "-m",
        "tests.support.echo_main",
        *where,
        f"--rounds={rounds}",
        f"--pace={pace}",
        *options,
    ]
    with (place.folder / "output").open("ab") as output:
        process = subprocess.Popen(program, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_into(place: Place, failpoint: str, *, rounds: int) -> int | None:
    """Run until the failpoint kills the service and return the exit code; None when it is never reached."""
    with running(place, f"--failpoint={failpoint}", rounds=rounds) as process:
        try:
            return process.wait(REACH_LIMIT)
        except subprocess.TimeoutExpired:
            return None


def settle(place: Place, *, rounds: int) -> int:
    """Run until all is done and return the exit code."""
    with running(place, "--settle", rounds=rounds) as process:
        return process.wait(END_LIMIT)


async def under_way(place: Place, process: subprocess.Popen[bytes], *, steps: int) -> None:
    """Return once that many steps have been sent."""

    async def are_sent() -> bool:
        assert process.poll() is None, said(place)
        return len(lines(place.folder / "sent")) >= steps

    await eventually(are_sent, limit=REACH_LIMIT)


async def endured(place: Place, harm: Callable[[], Awaitable[None]], *, rounds: int, pace: float = 0.5) -> Toll:
    """Run so many rounds while harm is done again and again, judge what is left when all is done; return the cost."""
    with running(place, "--settle", rounds=rounds, pace=pace) as process:
        await under_way(place, process, steps=1)
        await harm()
        back = time.time()
        unhurried = 2 * END_LIMIT + rounds * PINGS * pace  # Harm makes rounds longer than they would be.
        assert await asyncio.to_thread(process.wait, unhurried) == 0, said(place)
    left = await left_behind(place, rounds)
    verify(left)
    return in_all(toll(left, number, back) for number in range(rounds))


def said(place: Place) -> str:
    """Return what the service said last."""
    return (place.folder / "output").read_text("utf-8", "replace")[-3000:]


@asynccontextmanager
async def listening(place: Place) -> AsyncIterator[tuple[Store, Bus]]:
    """Open store and bus of the echo service, in this process."""
    store, bus = place.store(), place.bus()
    bus.subscribe(echo.subscriptions(store)[0])
    await store.open()
    await store.start()
    try:
        yield store, bus
    finally:
        await bus.stop()
        await store.close()
