"""Reading Datadog within what its API allows: few requests of bounded size, and none before a limit has reset.

What cannot be had within that is not fetched: the call raises CutShortError with what there is and says what is not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from shared.errors import UnavailableError
from shared.incident.enums import AlertStatus
from shared.incident.evidence import MetricTimeSeries
from shared.integrations.reading import CutShortError, LogLine, MonitoringProvider, MonitorState, Window
from shared.runtime.clock import at, monotonic, wall

METRICS = (
    "avg:system.cpu.user by host",
    "avg:system.load.norm.1 by host",
    "avg:system.mem.pct_usable by host",
    "max:system.disk.in_use by host",
    "avg:system.io.await by host",
    "sum:trace.http.request.hits by service",
    "sum:trace.http.request.errors by service",
    "p95:trace.http.request by service",
)
"""What is asked for without `datadog_metrics`: aggregation, metric, and the tag that names the entity."""
GOOD_IF_MORE = re.compile(r"usable|free|available|idle")
NAMES_MAX = 30
"""Entities in one query."""
REQUESTS_MAX = 24
"""Requests of one call."""
POINTS_MAX = 1500
"""Points of one series; a longer span is asked for in larger steps."""
STEP = 60
PAGE = 1000
LATE = timedelta(seconds=60)
"""How long Datadog takes until it has what was measured."""
PATIENCE = 3.0
"""Seconds that a call waits for a limit to reset; for a later one it does not."""
TIMEOUT = 10.0
_NAME = re.compile(r"[\w.:/-]{1,200}", re.ASCII)
_WANTED = re.compile(r"(\w+):([\w.]+) by (\w+)")
_STATES = {"Alert": AlertStatus.FIRING, "Warn": AlertStatus.FIRING, "No Data": AlertStatus.FIRING}


class DatadogMonitoring(MonitoringProvider):
    """One organisation. `settings` holds `datadog_url`, `datadog_api_key`, `datadog_app_key` and `datadog_metrics`."""

    def __init__(self, environment: str, settings: Mapping[str, Any]) -> None:
        del environment
        keys = {"DD-API-KEY": settings["datadog_api_key"], "DD-APPLICATION-KEY": settings["datadog_app_key"]}
        self._client = httpx.AsyncClient(base_url=settings["datadog_url"], headers=keys, timeout=TIMEOUT)
        self._metrics = tuple(settings.get("datadog_metrics") or METRICS)
        self._closed_until: dict[str, float] = {}
        """Path -> when its limit resets, in monotonic seconds. Datadog counts each kind of request by itself."""

    async def now(self) -> datetime:
        return at(wall()) - LATE

    async def pace(self) -> float:
        return 1.0

    async def series(self, entities: Sequence[str], window: Window) -> list[MetricTimeSeries]:
        names = [name for name in entities if _NAME.fullmatch(name)]
        groups = [names[start : start + NAMES_MAX] for start in range(0, len(names), NAMES_MAX)]
        # The nearest entities first: when something has to be left out, it is what is farther away.
        asked = [(metric, group) for group in groups for metric in self._metrics]
        found: list[MetricTimeSeries] = []
        for number, (metric, group) in enumerate(asked):
            left = f"{len(asked) - number} of {len(asked)} queries for series were not made"
            if number == REQUESTS_MAX:
                raise CutShortError(f"{left}: one look makes at most {REQUESTS_MAX}", found)
            try:
                answer = await self._ask("GET", "/api/v1/query", params=_query(metric, group, window))
            except UnavailableError as error:
                raise CutShortError(f"{left}: {error}", found) from error
            found += [_series(told, metric) for told in answer.get("series", ()) if told.get("pointlist")]
        return found

    async def logs(self, entities: Sequence[str], window: Window, *, limit: int = 5000) -> list[LogLine]:
        names = " OR ".join(f'"{name}"' for name in entities[:NAMES_MAX] if _NAME.fullmatch(name))
        if not names:
            return []
        span = {"from": window.start.isoformat(), "to": window.end.isoformat()}
        question: dict[str, Any] = {"filter": {"query": f"host:({names}) OR service:({names})", **span}}
        question |= {"sort": "-timestamp", "page": {"limit": min(PAGE, limit)}}
        found: list[LogLine] = []
        while len(found) < limit:
            try:
                answer = await self._ask("POST", "/api/v2/logs/events/search", json=question)
            except UnavailableError as error:
                raise CutShortError(
                    f"lines before the newest {len(found)} were not fetched: {error}", found[::-1]
                ) from error
            found += [_line(told["attributes"]) for told in answer.get("data", ())]
            after = answer.get("meta", {}).get("page", {}).get("after")
            if not after:
                break
            question["page"]["cursor"] = after
        return found[:limit][::-1]

    async def monitors(self) -> list[MonitorState]:
        told = await self._ask(
            "GET", "/api/v1/monitor", params={"group_states": "alert,warn,no data", "page_size": PAGE}
        )
        return [_monitor(one) for one in told if one.get("overall_state") in _STATES]

    async def _ask(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 -- any JSON, and what httpx takes
        """Return an answer. Raises UnavailableError when there is none, or none is to be asked for yet."""
        wait = self._closed_until.get(path, 0.0) - monotonic()
        if wait > PATIENCE:
            raise UnavailableError(f"the rate limit of Datadog resets in {wait:.0f} s")
        if wait > 0:
            await asyncio.sleep(wait)
        try:
            answer = await self._client.request(method, path, **request)
        except httpx.HTTPError as error:
            raise UnavailableError(f"Datadog does not answer: {type(error).__name__}") from error
        reset = reset_in(answer)
        if reset is not None:
            self._closed_until[path] = monotonic() + reset
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise UnavailableError(f"the rate limit of Datadog is used up, it resets in {reset or 0.0:.0f} s")
        if answer.is_error:
            raise UnavailableError(f"Datadog answered {answer.status_code} to {path}")
        return answer.json()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def reset_in(answer: httpx.Response) -> float | None:
    """Return in how many seconds the next request is allowed, or None if it is now."""
    headers = answer.headers
    left, reset = headers.get("x-ratelimit-remaining", ""), headers.get("x-ratelimit-reset", "")
    if answer.status_code != httpx.codes.TOO_MANY_REQUESTS and left != "0":
        return None
    return float(reset) if reset.isdecimal() else float(STEP)


def _query(metric: str, names: Sequence[str], window: Window) -> dict[str, str | int]:
    wanted = _WANTED.fullmatch(metric)
    if wanted is None:
        raise ValueError(f"{metric!r} is no metric; write one such as {METRICS[0]!r}")
    how, name, tag = wanted.groups()
    seconds = (window.end - window.start).total_seconds()
    step = STEP * max(-(-int(seconds) // (STEP * POINTS_MAX)), 1)
    query = (
        f"{how}:{name}{{{tag} IN ({','.join(names)})}} by {{{tag}}}.rollup({'sum' if how == 'sum' else 'avg'}, {step})"
    )
    return {"from": int(window.start.timestamp()), "to": int(window.end.timestamp()), "query": query}


def _series(told: Mapping[str, Any], metric: str) -> MetricTimeSeries:
    step = float(told.get("interval") or STEP)
    first = int(told["pointlist"][0][0])
    points = {round((when - first) / (1000 * step)): value for when, value in told["pointlist"]}
    values = [points.get(place) for place in range(min(max(points) + 1, POINTS_MAX))]
    units = [unit["name"] for unit in told.get("unit") or () if unit]
    name = str(told.get("metric") or metric.partition(":")[2].partition(" ")[0])
    return MetricTimeSeries(
        id=f"{metric.partition(' ')[0]}{{{told.get('scope', '')}}}",
        entity=str(told.get("scope", "")).partition(",")[0].partition(":")[2],
        name=name,
        unit=units[0] if units else "",
        harmful="down" if GOOD_IF_MORE.search(name) else "up",
        start=datetime.fromtimestamp(first / 1000, UTC),
        step_seconds=step,
        values=tuple(values),
    )


def _line(told: Mapping[str, Any]) -> LogLine:
    entity = str(told.get("service") or told.get("host") or "")
    return LogLine(
        datetime.fromisoformat(told["timestamp"]), entity, str(told.get("status", "")), str(told.get("message", ""))
    )


def _monitor(told: Mapping[str, Any]) -> MonitorState:
    tags = dict(tag.split(":", 1) for tag in told.get("tags", ()) if ":" in tag)
    since = datetime.fromisoformat(told.get("overall_state_modified") or told["modified"])
    entity = tags.get("host") or tags.get("service", "")
    return MonitorState(str(told["id"]), str(told.get("name", "")), _STATES[told["overall_state"]], since, entity)
