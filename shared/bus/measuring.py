"""How far behind the subscriptions of a process are, for the metrics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from shared.bus.port import Bus
from shared.errors import UnavailableError
from shared.runtime.tasks import begin_task, stop_tasks
from shared.telemetry.metrics import BUS_AGE, BUS_LAG

EVERY = 10.0
"""Seconds between two looks."""


@contextlib.asynccontextmanager
async def measuring(bus: Bus, *, every: float = EVERY) -> AsyncIterator[None]:
    """Look again and again at what waits, until left."""
    task = begin_task(_measure(bus, every))
    try:
        yield
    finally:
        await stop_tasks(task)


async def _measure(bus: Bus, every: float) -> None:
    while True:
        # While nobody can say, the last answer stays; `/readyz` tells that the bus is away.
        with contextlib.suppress(UnavailableError):
            for lag in await bus.lags():
                BUS_LAG.labels(lag.subscription).set(lag.records)
                BUS_AGE.labels(lag.subscription).set(lag.oldest_seconds)
        await asyncio.sleep(every)
