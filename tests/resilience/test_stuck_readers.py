"""A reader that stands still without anybody being told is built anew, and takes what has come meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.bus import kafka_intake
from shared.bus.kafka import KafkaBus
from shared.store.port import Store
from tests.contract.bus.conftest import ready
from tests.resilience.story import listening
from tests.support import echo
from tests.support.echo_main import Place
from tests.support.kafka import KafkaServer
from tests.support.kinds import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Reading:
    """A store, and the bus that it reads."""

    store: Store
    bus: KafkaBus

    async def subscriber(self) -> Any:  # noqa: ANN401 -- of a library without types
        """Return the subscriber that reads now, once it has partitions; a busy machine may have had it built anew."""

        async def found() -> Any:  # noqa: ANN401 -- as above
            one = self.bus._intakes[0]._subscriber
            return one if one is not None and one.consumer is not None and one.consumer.assignment() else None

        return await eventually(found, limit=60)

    def built_anew(self, subscriber: object) -> Callable[[], Awaitable[bool]]:
        """Return a look at whether another one than this subscriber reads by now."""

        async def look() -> bool:
            return self.bus._intakes[0]._subscriber not in (subscriber, None)

        return look

    async def takes(self, key: str, number: int = 0) -> None:
        """Send a message and return once it has been taken."""
        await self.bus.append([echo.Ping(key, number).record()])
        await eventually(lambda: self.store.state(f"counter/{key}"), limit=60)


@pytest.fixture
async def reading(tmp_path: Path, kafka: KafkaServer) -> AsyncIterator[Reading]:
    """The echo service reads, on topics of its own."""
    place = Place(str(tmp_path / "echo.db"), tmp_path, kafka.bootstrap_servers, f"t{uuid.uuid4().hex[:10]}.")
    async with listening(place) as (store, bus):
        assert isinstance(bus, KafkaBus)
        await bus.start()
        await ready(bus)
        yield Reading(store, bus)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watchdog that barks after a second."""
    monkeypatch.setattr(kafka_intake, "STUCK_AFTER", 1.0)
    monkeypatch.setattr(kafka_intake, "WATCH_EVERY", 1.0)


@pytest.mark.parametrize("what", ["what reads", "what asks for metadata"])
async def test_one_of_which_a_part_has_died_unseen_is_built_anew(reading: Reading, what: str) -> None:
    subscriber = await reading.subscriber()
    for task in subscriber.tasks if what == "what reads" else [subscriber.consumer._client._sync_task]:
        task.cancel()
    await eventually(reading.built_anew(subscriber), limit=30)
    await reading.takes("k")


@pytest.mark.usefixtures("impatient")
async def test_one_whose_group_cannot_be_looked_at_is_built_anew(reading: Reading) -> None:
    subscriber = await reading.subscriber()
    # As a client whose metadata never come.
    subscriber.consumer.end_offsets = lambda _: asyncio.Event().wait()
    await eventually(reading.built_anew(subscriber), limit=30)
    await reading.takes("k")


@pytest.mark.usefixtures("impatient")
async def test_one_that_stands_still_with_work_before_it_is_built_anew(reading: Reading) -> None:
    await reading.takes("k")
    subscriber = await reading.subscriber()
    subscriber.consumer.pause(*subscriber.consumer.assignment())
    await reading.takes("later")
    assert await reading.built_anew(subscriber)()


@pytest.mark.usefixtures("impatient")
async def test_one_that_its_group_has_lost_is_built_anew(reading: Reading) -> None:
    subscriber = await reading.subscriber()
    coordinator = subscriber.consumer._coordinator
    coordinator._coordination_task.cancel()
    coordinator._heartbeat_task.cancel()
    await reading.bus.append([echo.Ping(f"k{n}", 0).record() for n in range(40)])
    await eventually(reading.built_anew(subscriber), limit=60)

    async def all_are_taken() -> bool:
        return len(await reading.store.states("counter")) == 40

    await eventually(all_are_taken, limit=30)
