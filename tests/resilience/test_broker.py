"""A broker that stops, freezes or dies under a running service, and one that is not there at first."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.port import Bus
from shared.errors import UnavailableError
from shared.store.port import Store
from tests.contract.bus.conftest import ready
from tests.resilience.story import check, running
from tests.resilience.test_crash import Tell, output
from tests.support import echo
from tests.support.echo_main import Place
from tests.support.kafka import KafkaServer, LocalKafka
from tests.support.kinds import eventually
from tests.support.world import lines

AWAY = {"stopped": 2.0, "frozen": 12.0, "killed": 2.0}
"""Seconds; the frozen broker stays so past the relay's time limit, so that its producer is replaced."""


def harm(broker: LocalKafka, fault: str) -> Callable[[], None]:
    """Do it, and return what undoes it."""
    if fault == "frozen":
        broker.freeze()
        return broker.thaw
    (broker.stop if fault == "stopped" else broker.kill)()
    return broker.start


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", ["stopped", "frozen", "killed"])
async def test_a_broker_that_goes_away_and_comes_back_loses_and_doubles_nothing(
    fault: str, make_place: Callable[..., Place], database: str, private_kafka: LocalKafka, tell: Tell
) -> None:
    place = make_place(private_kafka.bootstrap_servers)
    with running(place, rounds=1, pace=0.5, settle=True) as process:

        async def under_way() -> bool:
            assert process.poll() is None, output(place)
            return len(lines(place.folder / "sent")) >= 2

        await eventually(under_way, limit=30)
        undo = harm(private_kafka, fault)
        try:
            await asyncio.sleep(AWAY[fault])
        finally:
            await asyncio.to_thread(undo)
        back = time.monotonic()
        assert await asyncio.to_thread(process.wait, 90) == 0, output(place)
    await check(place, 1)
    tell(f"broker {fault} {AWAY[fault]:g} s", f"{database} + kafka", f"settled {time.monotonic() - back:.0f} s after")


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_bus_whose_broker_is_away_starts_says_so_and_reads_once_it_is_back(
    tmp_path: Path, private_kafka: LocalKafka
) -> None:
    place = Place(str(tmp_path / "echo.db"), tmp_path, private_kafka.bootstrap_servers, "away.")
    async with listening(place) as (store, bus):
        private_kafka.stop()
        try:
            await bus.start()
            await asyncio.sleep(0.5)
            assert "Kafka" in (bus.problem() or "")
            with pytest.raises(UnavailableError):
                await bus.append([echo.Ping("k", 0).record()], limit=1.0)
        finally:
            await asyncio.to_thread(private_kafka.start)
        await ready(bus)
        await bus.append([echo.Ping("k", 0).record()])
        await eventually(lambda: store.state("counter/k"), limit=30)


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_send_that_missed_its_limit_is_told_and_leaves_no_producer_behind(
    tmp_path: Path, private_kafka: LocalKafka
) -> None:
    place = Place(str(tmp_path / "echo.db"), tmp_path, private_kafka.bootstrap_servers, "late.")
    async with listening(place) as (store, bus):
        await bus.start()
        await ready(bus)
        await bus.append([echo.Ping("k", 0).record()])
        private_kafka.freeze()
        try:
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    await bus.append([echo.Ping("k", 1).record()], limit=1.0)
            assert "did not take" in (bus.problem() or "")
        finally:
            private_kafka.thaw()
        await bus.append([echo.Ping("k", 1).record(), echo.Ping("k", 2).record()])
        assert bus.problem() is None

        async def all_taken() -> bool:
            state = await store.state("counter/k")
            return bool(state and state["taken"] == [0, 1, 2])

        await eventually(all_taken, limit=30)
    senders = [task for task in asyncio.all_tasks() if "_sender_routine" in repr(task)]
    assert senders == []


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_subscriber_that_died_unseen_is_built_anew(tmp_path: Path, kafka: KafkaServer) -> None:
    place = Place(str(tmp_path / "echo.db"), tmp_path, kafka.bootstrap_servers, f"t{uuid.uuid4().hex[:10]}.")
    async with listening(place) as (store, bus):
        await bus.start()
        await ready(bus)
        assert isinstance(bus, KafkaBus)
        for task in bus._intakes[0]._subscriber.tasks:
            task.cancel()
        await bus.append([echo.Ping("k", 0).record()])
        await eventually(lambda: store.state("counter/k"), limit=60)


@asynccontextmanager
async def listening(place: Place) -> AsyncIterator[tuple[Store, Bus]]:
    """Open store and bus of the echo service, in this process."""
    store, bus = place.store(), place.bus()
    bus.subscribe(echo.subscriptions(store)[0])
    await store.open()
    await store.start()
    try:
        yield store, bus
    finally:
        await bus.stop()
        await store.close()
