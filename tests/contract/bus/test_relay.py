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


async def test_a_relay_that_meets_what_nobody_foresaw_says_that_it_has_ended_and_keeps_what_is_unsent(
    make_bus: MakeBus, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raises(*_: object, **__: object) -> None:
        raise KeyError("token=hunter2")

    source, bus = await make_store("source"), make_bus()
    await bus.start()
    monkeypatch.setattr(bus, "append", raises)
    relay = Relay(source, bus)
    assert relay.ended() is None
    relay.start()
    assert relay.ended() is None

    await source.take([tell(1)])

    async def ended() -> str | None:
        return relay.ended()

    assert (await eventually(ended) or "").startswith("has ended (KeyError), the log says why")
    assert len(await source.outbox()) == 1
    with pytest.raises(KeyError):
        await relay.stop()


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
