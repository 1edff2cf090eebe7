"""The program that `test_crash.py` kills: a whole ingest on an embedded bus, which prints its address."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from shared.bus.embedded import EmbeddedBus
from tests.contract.ingest.conftest import running_ingest


async def run(folder: Path) -> None:
    """Serve until the process is killed."""
    async with running_ingest(folder, EmbeddedBus(folder / "bus.db"), append_seconds=0.5) as running:
        print(running.client.base_url, flush=True)  # noqa: T201 -- the parent reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
