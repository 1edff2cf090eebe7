"""Data time, metrics, logs and monitors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from services.diagnoser.collectors.reader import Reader
from services.diagnoser.domain.gathering import CUT, CaseJSON
from services.diagnoser.ports import Scene
from shared.errors import UnavailableError
from shared.incident.evidence import MetricTimeSeries
from shared.integrations.reading import CutShortError, LogLine, MonitoringProvider, Window

Read = TypeVar("Read")

LINES_MAX = 3000
HISTORY, MORE = "history of metrics", "more metrics"
MORE_LOGS, EARLIER_LOGS = "more logs", "earlier logs"
"""What may be cut; as gaps they have these names."""
PATIENCE = 0.75
"""The share of its time that a collector gives what it can do without."""


class DataTime(Reader[MonitoringProvider]):
    """Up to when the monitoring system has data."""

    name = "data time"

    async def now(self, environment: str) -> datetime:
        """Return its data time."""
        return await self.provider(environment).now()


class Metrics(Reader[MonitoringProvider]):
    """All series of the entities, each with a long span before.

    Without the span before, the series still count: what is usual may be known from earlier.
    """

    name = "metrics"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `metrics`, and under `CUT` why some of them, or of their history, are missing."""
        monitoring = self.provider(scene.environment)
        (window, cut), (baseline, why) = await asyncio.gather(
            _whole(monitoring.series(scene.entities, scene.window)), _history(monitoring, scene)
        )
        before = {series.id: series.values for series in baseline}
        until = scene.baseline.end.timestamp()
        metrics = [{**_metric(series, before.get(series.id, ())), "baseline_until": until} for series in window]
        return {"metrics": metrics, CUT: _cuts({MORE: cut, HISTORY: why if window else ""})}


async def _whole(reading: Awaitable[list[Read]]) -> tuple[Sequence[Read], str]:
    """Return what could be read, and why it is not all."""
    try:
        return await reading, ""
    except CutShortError as error:
        return error.found, str(error)


async def _history(monitoring: MonitoringProvider, scene: Scene) -> tuple[Sequence[MetricTimeSeries], str]:
    """Return the series before the window, and why they are not all; in time for the window to be used."""
    limit = scene.seconds * PATIENCE
    try:
        async with asyncio.timeout(limit):
            return await _whole(monitoring.series(scene.entities, scene.baseline))
    except TimeoutError:
        return [], f"no answer within {limit:g} s"
    except UnavailableError as error:
        return [], str(error)


def _cuts(why: Mapping[str, str]) -> dict[str, str]:
    return {what: said for what, said in why.items() if said}


class Logs(Reader[MonitoringProvider]):
    """The lines of the window, and of a span as long before the incident."""

    name = "logs"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `logs` and `logs_baseline`, and under `CUT` why some of them are missing."""
        monitoring = self.provider(scene.environment)
        until, long = scene.baseline.end, scene.window.end - scene.window.start
        (window, cut), (before, why) = await asyncio.gather(
            _whole(monitoring.logs(scene.entities, scene.window, limit=LINES_MAX)),
            _whole(monitoring.logs(scene.entities, Window(until - long, until), limit=LINES_MAX)),
        )
        found = {"logs": [_line(line) for line in window], "logs_baseline": [_line(line) for line in before]}
        return {**found, CUT: _cuts({MORE_LOGS: cut, EARLIER_LOGS: why})}


class Monitors(Reader[MonitoringProvider]):
    """What the monitoring system itself sees firing now."""

    name = "monitors"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `events` of kind `alert`, of the entities looked at and of none."""
        found = await self.provider(scene.environment).monitors()
        return {
            "events": [
                {
                    "id": monitor.source_key,
                    "at": monitor.since.timestamp(),
                    "kind": "alert",
                    "entity": monitor.entity,
                    "title": monitor.title,
                    "severity": monitor.status.value,
                }
                for monitor in found
                if not monitor.entity or monitor.entity in scene.entities
            ]
        }


def _metric(series: MetricTimeSeries, before: Sequence[float | None]) -> dict[str, Any]:
    return {
        "id": series.id,
        "entity": series.entity,
        "name": series.name,
        "unit": series.unit,
        "harmful": series.harmful,
        "step_s": series.step_seconds,
        "baseline": list(before),
        "window": list(series.values),
        "window_t0": series.start.timestamp(),
        "limit": series.limit,
    }


def _line(line: LogLine) -> dict[str, Any]:
    return {"entity": line.entity, "at": line.at.timestamp(), "level": line.level, "msg": line.message}
