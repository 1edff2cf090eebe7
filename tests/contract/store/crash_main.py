"""The program that `test_crash.py` kills: a fixed list of messages, a worker and a relay, until all is settled.

Its world is two append-only files: `calls` (every `once` call that began) and `wire` (every row that was sent).
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from shared.store.factory import open_store
from shared.store.failpoints import reach
from shared.store.model import JSON
from shared.store.port import Claimed, Store
from shared.store.worker import ActivityWorker, Renew
from tests.support.kinds import KINDS, NOTES, eventually, say

AGGREGATES = 4
MESSAGES = 10
"""Per aggregate; each with an event, a record, a local message and an audit entry."""
LEASE = 0.6


def append(path: Path, line: str) -> None:
    """Add a line that survives the process."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


async def feed(store: Store) -> None:
    """Take everything, in batches; what was taken before the kill is not taken again."""
    for i in range(MESSAGES):
        reach("intake.before_take")
        batch = [
            say(
                f"doc/{n}",
                f"{n}-{i}",
                events=[{"key": f"k{n}", "body": {"n": i}}],
                audit=[i],
                records=[{"table": "note", "values": {"id": f"{n}-{i}", "text": "x"}, "feed": f"{n}-{i}"}],
                locals=[[f"gate/{n}", f"{n}-{i}!told", "told", {}]],
                activities=[
                    {"id": f"{kind}-{n}", "name": kind, "args": None, "kind": kind, "lease": LEASE}
                    for kind in ("once", "repeatable")
                    if i == 0
                ],
                timers={"t": 0.1} if i == MESSAGES - 1 else {},
            )
            for n in range(AGGREGATES)
        ]
        await store.take(batch, subscription="crash", offset=i + 1)
        reach("intake.after_take")


async def relay(store: Store, wire: Path) -> None:
    """Send as the bus does: in order, delete after the acknowledgement."""
    while True:
        rows = await store.outbox() if await store.lead() else []
        for row in rows:
            reach("relay.before_send")
            append(wire, row.id)
        if rows:
            reach("relay.after_send")
            reach("relay.before_delete")
            await store.sent(rows)
            reach("relay.after_delete")
        else:
            await store.wait_outbox(0.05)


async def settled(store: Store) -> bool:
    """Say whether everything that was to happen has happened."""
    logs = [(await store.state(f"doc/{n}") or {"log": []})["log"] for n in range(AGGREGATES)]
    gates = [(await store.state(f"gate/{n}") or {"log": []})["log"] for n in range(AGGREGATES)]
    # Messages, two results or losses, and the timer.
    enough = all(len(log) >= MESSAGES + 3 for log in logs) and all(len(gate) >= MESSAGES for gate in gates)
    return enough and store.waiting() == 0 and not await store.outbox()


async def run(location: str, world: Path) -> None:
    """Run until all is settled, or until the failpoint kills the process."""

    async def once(claimed: Claimed, renew: Renew) -> JSON:
        if not await renew():
            return "no call"
        append(world / "calls", claimed.id)
        return "called"

    async def repeatable(claimed: Claimed, _: Renew) -> JSON:
        return claimed.id

    store = open_store(location, service="thing", kinds=KINDS, tables=(NOTES,))
    await store.open()
    await store.start()
    worker = ActivityWorker(store, {"once": once, "repeatable": repeatable})
    worker.start()
    relaying = asyncio.create_task(relay(store, world / "wire"))
    await feed(store)
    await eventually(lambda: settled(store), limit=40)
    relaying.cancel()
    await worker.stop()
    await store.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2])))
