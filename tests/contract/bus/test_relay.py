"""From one store's outbox over a bus into another store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from shared.bus.port import Bus
from shared.bus.relay import Relay
from shared.store.model import Incoming
from shared.store.port import Store
from tests.contract.bus.conftest import MakeBus, MakeStore, subscription
from tests.support.kinds import eventually, logged, say


def tell(n: int, *, topic: str = "incidents.v1", key: str = "k") -> Incoming:
    return say("doc/source", f"m{n}", events=[{"topic": topic, "key": key, "type": "incident.noted", "body": {"n": n}}])


@pytest.fixture
async def relay() -> AsyncIterator[Callable[[Store, Bus], Relay]]:
    made: list[Relay] = []

    def make(store: Store, bus: Bus) -> Relay:
        made.append(Relay(store, bus))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        await one.stop()


async def test_events_arrive_once_and_in_order(
    make_bus: MakeBus, make_store: MakeStore, relay: Callable[[Store, Bus], Relay]
) -> None:
    source, target, bus = await make_store("source"), await make_store("target"), make_bus()
    bus.subscribe(subscription(target))
    await bus.start()
    relay(source, bus)
    for n in range(50):
        await source.take([tell(n)])
    log = await logged(target, "doc/k", 50)
    assert [entry[1] for entry in log] == [f"source/doc/source:{n + 1}" for n in range(50)]

    async def empty() -> bool:
        return not await source.outbox()

    await eventually(empty)


async def test_a_row_that_can_never_be_sent_parks_its_key_alone(
    make_bus: MakeBus, make_store: MakeStore, relay: Callable[[Store, Bus], Relay]
) -> None:
    source, target, bus = await make_store("source"), await make_store("target"), make_bus()
    bus.subscribe(subscription(target))
    await bus.start()
    await source.take([tell(0, topic="nowhere"), tell(1, topic="nowhere"), tell(2, key="other")])
    relay(source, bus)
    assert len(await logged(target, "doc/other", 1)) == 1

    async def parked() -> bool:
        return not await source.outbox()

    await eventually(parked)
    await source.unpark_key("nowhere", "k")
    await eventually(parked)


async def test_a_second_relay_of_one_store_changes_nothing(
    make_bus: MakeBus, make_store: MakeStore, relay: Callable[[Store, Bus], Relay]
) -> None:
    source, target, bus = await make_store("source"), await make_store("target"), make_bus()
    bus.subscribe(subscription(target))
    await bus.start()
    relay(source, bus)
    relay(source, bus)
    for n in range(30):
        await source.take([tell(n)])
    assert len(await logged(target, "doc/k", 30)) == 30
