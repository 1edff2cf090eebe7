"""A line to the vendor that loses answers, byte by byte: one effect, and the record settles the doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from services.executor.actions.calling import Calling
from services.executor.adapters.outside import ConnectedOutside
from services.executor.domain.work import Reconcile
from services.executor.handlers.reconciling import Reconciling
from shared.integrations.registry import Integrations
from tests.contract.executor.conftest import WORLD_TOKEN, Place, Starter, began
from tests.contract.executor.test_calls import call_of, claimed_for, ours
from tests.support.kinds import eventually
from tests.support.proxy import Proxy

HOLE = 7.0
"""Seconds in which the database hears nothing: more than a claim's lease."""


@pytest.fixture
async def proxy(place: Place) -> AsyncIterator[Proxy]:
    """A line to the world that can be cut."""
    port = urlsplit(place.url).port
    assert port is not None
    async with Proxy("127.0.0.1", port) as proxy:
        yield proxy


@pytest.fixture
async def far(proxy: Proxy) -> AsyncIterator[Integrations]:
    """Integrations that reach the world by that line."""
    integrations = Integrations({"world_url": f"http://{proxy.address}", "world_token": WORLD_TOKEN})
    yield integrations
    await integrations.close()


@pytest.mark.parametrize("byte", [0, 1, 20, 100])
async def test_an_answer_cut_at_any_byte_is_a_doubt_that_the_record_settles(
    place: Place, proxy: Proxy, far: Integrations, byte: int
) -> None:
    proxy.cut_replies_at, proxy.cut_only = byte, b"/calls HTTP"
    calling = Calling(far, began)
    call = call_of(place)
    result = await calling.call(claimed_for(call), ours)
    assert result["outcome"] == "unknown"
    assert [one.applied for one in place.done] == [True]
    asked: Reconcile = {
        "environment": call["environment"],
        "incident_id": call["incident_id"],
        "execution_id": call["execution_id"],
        "step_id": call["step_id"],
        "rollback": call["rollback"],
        "verb": call["verb"],
        "target": call["target"],
        "token": call["token"],
    }
    found = await Reconciling(ConnectedOutside(far, calling.verbs)).reconcile(asked)
    assert found["outcome"] == "succeeded"
    assert len(place.done) == 1


async def test_a_call_into_a_black_hole_ends_at_its_limit_as_a_doubt(
    place: Place, proxy: Proxy, far: Integrations
) -> None:
    proxy.black_hole = True
    result = await Calling(far, began).call(claimed_for(call_of(place, limit=0.5)), ours)
    assert (result["outcome"], place.done) == ("unknown", [])


async def test_a_call_that_nobody_takes_is_no_call(place: Place, proxy: Proxy, far: Integrations) -> None:
    await proxy.down()
    result = await Calling(far, began).call(claimed_for(call_of(place)), ours)
    assert result["outcome"] in ("failed_safe", "unknown")
    assert place.done == []


@pytest.mark.nightly  # The record of a call is asked when lease and time limit have ended: half a minute at least.
async def test_a_lost_answer_has_one_effect_and_is_verified_without_a_second_call(
    starter: Starter, proxy: Proxy
) -> None:
    starter.rewrite(("timeout_seconds: 60", "timeout_seconds: 1"), ("settle_seconds: 5", "settle_seconds: 0"))
    starter.place.url = f"http://{proxy.address}"
    proxy.cut_replies_at, proxy.cut_only = 0, b"/calls HTTP"
    running = await starter.start()
    await running.recommend()
    await running.decide("approve", await running.until("approval.requested"))
    await running.until("step.unknown")
    assert (await running.until("step.reconciled", limit=45.0))["outcome"] == "succeeded"
    await running.until("verification.passed", limit=30.0)
    assert len(running.place.done) == 1
    assert running.place.line.asked.count("calls") == 1


@pytest.mark.postgres
@pytest.mark.nightly
async def test_a_database_that_is_cut_off_during_a_call_gets_its_answer_when_it_is_back(
    place: Place, postgres_url: str, tmp_path: Path
) -> None:
    parts = urlsplit(postgres_url)
    async with Proxy(parts.hostname or "", parts.port or 5432) as line:
        user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        starter = Starter(place, urlunsplit(parts._replace(netloc=f"{user}{line.address}")), tmp_path)
        running = await starter.start()
        try:
            await running.recommend()
            place.line.holds_answers = asyncio.Event()
            await running.decide("approve", await running.until("approval.requested"))
            await running.until("step.started")
            await eventually(_called(place), 15.0)
            line.black_hole = True
            place.line.holds_answers.set()
            await asyncio.sleep(HOLE)
            line.heal()
            await running.until("step.succeeded", limit=30.0)
        finally:
            await starter.stop()
    assert len(place.done) == 1
    assert place.line.asked.count("calls") == 1


def _called(place: Place) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return "calls" in place.line.asked

    return there
