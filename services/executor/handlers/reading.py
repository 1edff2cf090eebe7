"""The activity `verify_read`: one look at the metric that must get better."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from services.executor.domain.work import VerifyPoints, VerifyRead
from services.executor.ports import Outside
from shared.incident.evidence import MetricTimeSeries
from shared.integrations.reading import MonitoringProvider, Window
from shared.runbooks.conditions import holds


class Reading:
    """Reads for verifications; when to read again and what it means is the transition's.

    `now` is the database's clock.
    """

    def __init__(self, outside: Outside, now: Callable[[], Awaitable[float]]) -> None:
        self._outside = outside
        self._now = now

    async def read(self, args: VerifyRead) -> VerifyPoints:
        """Return the measurements since the step ended, each with whether the condition holds."""
        return await verify(self._outside.monitoring(args["environment"]), args, await self._now())


async def verify(monitoring: MonitoringProvider, args: VerifyRead, read_at: float) -> VerifyPoints:
    """Read once. Without `since` only the clock is read: that is where the data of this verification begin."""
    now = await monitoring.now()
    found: Sequence[MetricTimeSeries] = ()
    if args["since"] is not None:
        window = Window(datetime.fromisoformat(args["since"]), now)
        found = [s for s in await monitoring.series([args["entity"]], window) if s.name == args["metric"]]
    return {
        "execution_id": args["execution_id"],
        "attempt": args["attempt"],
        "points": await asyncio.to_thread(_points, found, args["condition"]),
        "data_now": now.timestamp(),
        "pace": await monitoring.pace(),
        "unit": found[0].unit if found else "",
        "step": max((series.step_seconds for series in found), default=0.0),
        "read_at": read_at,
    }


def _points(found: Sequence[MetricTimeSeries], condition: str) -> list[tuple[float, float, bool]]:
    points = [
        ((series.start + timedelta(seconds=series.step_seconds * index)).timestamp(), float(value))
        for series in found
        for index, value in enumerate(series.values)
        if value is not None
    ]
    return [(at, value, holds(condition, {"value": value})) for at, value in sorted(points)]
