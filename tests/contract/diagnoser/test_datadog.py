"""Live history, from a local server that speaks Datadog's API and keeps count of what is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.errors import UnavailableError
from shared.integrations.datadog import NAMES_MAX, POINTS_MAX, REQUESTS_MAX, DatadogMonitoring
from shared.integrations.reading import CutShortError, Window
from shared.runtime.server import Listener, bind
from tests.contract.diagnoser.conftest import Running, alert

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = Window(T0, T0 + timedelta(hours=1))
CPU = "avg:system.cpu.user by host"
MEMORY = "avg:system.mem.pct_usable by host"


@dataclass
class Vendor:
    """Answers each query with one series, until `left` requests have been made; then it wants `reset` seconds.

    Monitors have no limit.
    """

    left: int = 10_000
    reset: int = 40
    status: int = 200
    asked: list[Any] = field(default_factory=list)
    keys: set[tuple[str, str]] = field(default_factory=set)
    lines: int = 0
    later: int = 180_000
    url: str = ""

    def _limited(self, request: Request, answer: Any) -> Response:  # noqa: ANN401 -- JSON
        self.keys.add((request.headers["dd-api-key"], request.headers["dd-application-key"]))
        headers = {"x-ratelimit-remaining": str(max(self.left - 1, 0)), "x-ratelimit-reset": str(self.reset)}
        if self.left <= 0:
            return JSONResponse({"errors": ["Too many requests"]}, 429, headers)
        self.left -= 1
        return JSONResponse(answer, self.status, headers)

    async def query(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(asked)
        start = int(asked["from"]) * 1000
        points = [[start, 1.5], [start + 60_000, None], [start + self.later, 2.5]]
        series = {"metric": "system.cpu.user", "scope": "host:web-1", "interval": 60, "pointlist": points}
        return self._limited(request, {"series": [{**series, "unit": [{"name": "percent"}, None]}]})

    async def logs(self, request: Request) -> Response:
        asked = await request.json()
        self.asked.append(asked)
        first = int(asked["page"].get("cursor", "0"))
        count = min(asked["page"]["limit"], self.lines - first)
        found = [
            {
                "attributes": {
                    "timestamp": f"{(T0 - timedelta(seconds=n)).isoformat()}",
                    "service": "shop",
                    "message": f"{n}",
                }
            }
            for n in range(first, first + count)
        ]
        after = {"page": {"after": str(first + count)}} if first + count < self.lines else {}
        return self._limited(request, {"data": found, "meta": after})

    async def monitors(self, _: Request) -> Response:
        told = {"id": 7, "name": "cpu", "tags": ["host:web-1"], "overall_state_modified": "2026-03-01T11:00:00+00:00"}
        return JSONResponse([{**told, "overall_state": state} for state in ("Alert", "OK")], self.status)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    routes = [
        Route("/api/v1/query", vendor.query),
        Route("/api/v1/monitor", vendor.monitors),
        Route("/api/v2/logs/events/search", vendor.logs, methods=["POST"]),
    ]
    listener = Listener(bind("127.0.0.1", 0, name="datadog"), Starlette(routes=routes))
    await listener.start()
    vendor.url = f"http://127.0.0.1:{listener.port}"
    yield vendor
    await listener.stop()


@pytest.fixture
async def datadog(vendor: Vendor) -> AsyncIterator[DatadogMonitoring]:
    given = {"datadog_url": vendor.url, "datadog_api_key": "one", "datadog_app_key": "two"}
    datadog = DatadogMonitoring("live", {**given, "datadog_metrics": (CPU, MEMORY)})
    yield datadog
    await datadog.aclose()


async def test_a_series_has_its_entity_its_unit_and_its_holes(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    [cpu, _] = await datadog.series(["web-1"], HOUR)

    assert (cpu.entity, cpu.name, cpu.unit, cpu.step_seconds) == ("web-1", "system.cpu.user", "percent", 60.0)
    assert (cpu.start, cpu.values) == (T0, (1.5, None, None, 2.5))
    assert cpu.id == "avg:system.cpu.user{host:web-1}"
    assert vendor.keys == {("one", "two")}


async def test_a_series_is_bounded_however_far_apart_its_points_are(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    vendor.later = 10**12
    [cpu, _] = await datadog.series(["web-1"], HOUR)
    assert len(cpu.values) == POINTS_MAX


async def test_one_query_asks_for_many_entities_and_for_none_whose_name_is_no_name(
    datadog: DatadogMonitoring, vendor: Vendor
) -> None:
    await datadog.series(["web-1", "web-2", "x} by {org", "shop"], HOUR)

    assert [asked["query"] for asked in vendor.asked] == [
        "avg:system.cpu.user{host IN (web-1,web-2,shop)} by {host}.rollup(avg, 60)",
        "avg:system.mem.pct_usable{host IN (web-1,web-2,shop)} by {host}.rollup(avg, 60)",
    ]


async def test_a_long_span_is_asked_for_in_larger_steps(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    await datadog.series(["web-1"], Window(T0 - timedelta(days=7), T0))

    step = int(vendor.asked[0]["query"].rpartition(", ")[2].rstrip(")"))
    assert 7 * 86_400 / step <= POINTS_MAX


async def test_one_look_makes_a_bounded_number_of_requests_for_what_is_nearest(
    datadog: DatadogMonitoring, vendor: Vendor
) -> None:
    names = [f"web-{number}" for number in range(NAMES_MAX * REQUESTS_MAX)]

    with pytest.raises(
        CutShortError, match="24 of 48 queries for series were not made: one look makes at most 24"
    ) as cut:
        await datadog.series(names, HOUR)

    assert len(vendor.asked) == len(cut.value.found) == REQUESTS_MAX
    assert "(web-0,web-1," in vendor.asked[0]["query"]


async def test_when_the_limit_is_used_up_nothing_is_asked_until_it_resets(
    datadog: DatadogMonitoring, vendor: Vendor
) -> None:
    vendor.left = 1

    with pytest.raises(CutShortError, match=r"1 of 2 queries .* the rate limit of Datadog resets in \d+ s") as cut:
        await datadog.series(["web-1"], HOUR)
    with pytest.raises(CutShortError, match="2 of 2 queries"):
        await datadog.series(["web-1"], HOUR)

    assert len(cut.value.found) == len(vendor.asked) == 1
    assert len(await datadog.monitors()) == 1, "another kind of request has a limit of its own"


async def test_a_refusal_that_came_first_is_heeded_as_well(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    vendor.left = 0

    for _ in range(2):
        with pytest.raises(CutShortError, match="rate limit of Datadog"):
            await datadog.series(["web-1"], HOUR)

    assert len(vendor.asked) == 1


async def test_a_limit_that_resets_at_once_is_waited_for(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    vendor.left, vendor.reset = 1, 0
    with pytest.raises(CutShortError):
        await datadog.series(["web-1"], HOUR)
    vendor.left = 10

    assert len(await datadog.series(["web-1"], HOUR)) == 2


async def test_an_error_is_no_empty_answer(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    vendor.status = 503
    with pytest.raises(CutShortError, match="answered 503"):
        await datadog.series(["web-1"], HOUR)
    with pytest.raises(UnavailableError, match="answered 503"):
        await datadog.monitors()


async def test_logs_are_read_page_by_page_the_newest_and_told_oldest_first(
    datadog: DatadogMonitoring, vendor: Vendor
) -> None:
    vendor.lines = 2500

    found = await datadog.logs(["shop"], HOUR, limit=1500)

    assert [line.message for line in found] == [str(number) for number in range(1499, -1, -1)]
    assert found[0].at < found[-1].at
    assert vendor.asked[0]["filter"]["query"] == 'host:("shop") OR service:("shop")'
    assert len(vendor.asked) == 2


async def test_logs_that_are_cut_short_are_the_newest(datadog: DatadogMonitoring, vendor: Vendor) -> None:
    vendor.lines, vendor.left = 2500, 1

    with pytest.raises(CutShortError, match="before the newest 1000") as cut:
        await datadog.logs(["shop"], HOUR)

    assert cut.value.found[-1].message == "0"


async def test_monitors_that_fire_are_told_with_their_entity(datadog: DatadogMonitoring) -> None:
    [monitor] = await datadog.monitors()
    assert (monitor.source_key, monitor.entity, monitor.since.hour) == ("7", "web-1", 11)


@pytest.mark.slow
class TestAnIncident:
    @pytest.fixture
    def changes(self, vendor: Vendor) -> dict[str, Any]:
        keys = {"api_key": "key-of-datadog", "application_key": "application-key-of-datadog"}
        return {"datadog": {"url": vendor.url, "metrics": [CPU, MEMORY], **keys}}

    async def test_what_the_limit_cuts_off_is_a_gap_of_the_diagnosis(self, running: Running, vendor: Vendor) -> None:
        vendor.left = 3

        await running.deliver(alert("cpu", datetime.now(UTC), services=("shop",), host="web-1"), environment="live")

        gathered = await running.said("evidence.gathered")
        outcomes = {one["collector"]: one for one in gathered["collectors"]}
        assert outcomes["metrics"]["outcome"] == "ok"
        gaps = {name for name in ("more metrics", "history of metrics") if name in outcomes}
        assert gaps
        assert all("rate limit of Datadog" in outcomes[name]["detail"] for name in gaps)
        assert gaps <= {item["channel"] for item in gathered["evidence"] if item["kind"] == "gap"}
        assert gaps <= set((await running.said("diagnosis.inconclusive"))["result"]["missing"])
        assert "key-of-datadog" not in str(gathered)
