"""A line to the vendors that is slow or carries nothing: what is missing is a gap, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.diagnoser.conftest import Outside, Start, alert
from tests.support.proxy import Proxy

pytestmark = pytest.mark.crash
HOST, SERVICE = "prod-web-03", "storefront"


@pytest.fixture
def changes() -> dict[str, Any]:
    """Patience short enough for a test."""
    return {"collect_seconds": 3.0}


@pytest.fixture
async def proxy(outside: Outside) -> AsyncIterator[Proxy]:
    """The line to the world."""
    port = urlsplit(outside.url).port
    assert port is not None
    async with Proxy("127.0.0.1", port) as proxy:
        outside.url = f"http://{proxy.address}"
        yield proxy


async def gathered(start: Start, outside: Outside) -> Any:  # noqa: ANN401 -- JSON
    """Deliver an alert and return what was gathered for its incident."""
    running = await start()
    await running.deliver(alert("cpu.percent", outside.now(), services=(SERVICE,), host=HOST))
    return await running.said("evidence.gathered")


@pytest.mark.parametrize(
    "fault", ["black hole", pytest.param("lost replies", marks=pytest.mark.nightly), "resets", "nobody there"]
)
async def test_what_cannot_be_read_is_a_gap_and_the_incident_is_told_all_the_same(
    start: Start, outside: Outside, proxy: Proxy, fault: str
) -> None:
    match fault:
        case "black hole":
            proxy.black_hole = True
        case "lost replies":
            proxy.lose_replies = True
        case "resets":
            proxy.cut_replies_at = 0
        case _:
            await proxy.down()
    found = await gathered(start, outside)
    outcomes = {one["collector"]: one["outcome"] for one in found["collectors"]}
    assert outcomes.pop("history") == "empty"  # Its own past is there whatever the line is like.
    assert set(outcomes.values()) <= {"timeout", "failed"}
    assert {item["kind"] for item in found["evidence"]} == {"gap"}


async def test_a_slow_line_costs_time_and_no_evidence(start: Start, outside: Outside, proxy: Proxy) -> None:
    proxy.latency = 0.1
    found = await gathered(start, outside)
    assert {one["outcome"] for one in found["collectors"]} <= {"ok", "empty"}
