"""The program that ends in the middle of checkpoints, again and again: FOLDER KILLS SEED.

Each life takes messages and writes down what was acknowledged, while a thread of its own moves the write-ahead log into
the database without a pause; then an alarm of the kernel ends it wherever it is. The last life ends in order.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
import threading
from pathlib import Path

from shared.store.factory import open_store
from tests.resilience.await_points import in_fork
from tests.support.kinds import KINDS, eventually, log_of, say
from tests.support.world import append_line, lines

AGGREGATES = 8
LONGEST = 0.25
"""Seconds that a life has after its first message was taken."""


def checkpoint_for_ever(path: Path) -> None:
    """Move the log into the database, each time to its last byte."""
    connection = sqlite3.connect(path, isolation_level=None)
    while True:
        connection.execute("pragma wal_checkpoint(truncate)")


async def live(folder: Path, seconds: float) -> None:
    """Take messages until the alarm."""
    store = open_store(folder / "thing.db", service="thing", kinds=KINDS)
    await store.open()
    await store.start()
    acked = folder / "acked"
    number = len(lines(acked))
    threading.Thread(target=checkpoint_for_ever, args=(folder / "thing.db",), daemon=True).start()
    await store.take([say(f"doc/{number % AGGREGATES}", f"m{number}", text="x" * 2000)])
    append_line(acked, f"m{number}")
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # From here on it is no sign of being stuck, but the end.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    while True:
        number += 1
        await store.take([say(f"doc/{number % AGGREGATES}", f"m{number}", text="x" * 2000)])
        append_line(acked, f"m{number}")


async def judge(folder: Path) -> None:
    """Assert that the database is whole and that what was acknowledged is in it, once and in order."""
    store = open_store(folder / "thing.db", service="thing", kinds=KINDS)
    await store.open()
    await store.start()

    async def decided() -> bool:
        return store.waiting() == 0

    await eventually(decided)
    acked = lines(folder / "acked")
    for place in range(AGGREGATES):
        log = [name for _, name in await log_of(store, f"doc/{place}")]
        # One that was taken may have been told to nobody: it is sent again under its id and taken once.
        assert log == [f"m{n}" for n in range(place, place + AGGREGATES * len(log), AGGREGATES)]
        assert {name for name in acked if int(name[1:]) % AGGREGATES == place} <= set(log)
    await store.close()
    with sqlite3.connect(folder / "thing.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def main(folder: Path, kills: int, seed: int) -> None:
    """Live and end, then judge."""
    chance = random.Random(seed)
    said = folder / "said"
    for _ in range(kills):
        seconds = chance.uniform(0.002, LONGEST)
        code = in_fork(lambda seconds=seconds: asyncio.run(live(folder, seconds)), said)  # type: ignore[misc]  # its type is that of no argument
        assert code == -signal.SIGALRM, said.read_text()
    asyncio.run(judge(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
