"""A reader waits for records without sleeping past them, and acknowledges many batches at once."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError
from aiokafka.structs import TopicPartition

from shared.bus import kafka_consumer
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_consumer import PatientConsumer
from shared.bus.port import Received
from shared.bus.settings import KafkaSettings
from shared.runtime.clock import monotonic
from tests.contract.bus.conftest import TOPIC, MakeStore, ready, record, subscription
from tests.support.kinds import eventually, logged

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

Acknowledged = list[dict[TopicPartition, int]]
MakeKafka = Callable[[], KafkaBus]


@pytest.fixture
async def make_bus(settings: KafkaSettings) -> AsyncIterator[MakeKafka]:
    made: list[KafkaBus] = []

    def make() -> KafkaBus:
        made.append(KafkaBus(settings))
        return made[-1]

    yield make
    for bus in made:
        await bus.stop()


@pytest.fixture
def acknowledged(monkeypatch: pytest.MonkeyPatch) -> Acknowledged:
    """Every acknowledgement that reaches the library, while none is due by itself."""
    monkeypatch.setattr(kafka_consumer, "ACK_EVERY", 3600.0)
    made: Acknowledged = []
    commit = AIOKafkaConsumer.commit

    async def counted(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        made.append(offsets)
        await commit(consumer, offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", counted)
    return made


async def test_a_reader_is_not_told_of_nothing_but_waits(settings: KafkaSettings, make_bus: MakeKafka) -> None:
    consumer = PatientConsumer(
        settings.topic_prefix + TOPIC, bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        reading = asyncio.create_task(consumer.getmany(timeout_ms=1))
        done, _ = await asyncio.wait([reading], timeout=0.3)
        assert not done
        await make_bus().append([record("k", "e1")])
        assert [len(records) for records in (await reading).values()] == [1]
    finally:
        await consumer.stop()


async def test_many_batches_are_acknowledged_once_and_a_reader_that_stops_acknowledges_all(
    make_bus: MakeKafka, make_store: MakeStore, acknowledged: Acknowledged
) -> None:
    bus, store = make_bus(), await make_store("first")
    bus.subscribe(subscription(store))
    await bus.start()
    await ready(bus)
    for number in range(5):
        await bus.append([record("k", f"e{number}")])
        await logged(store, "doc/k", number + 1)
    assert acknowledged == []
    await bus.stop()
    assert [list(places.values()) for places in acknowledged] == [[5]]


async def test_batches_that_were_taken_leave_the_memory_without_the_collector_of_garbage(
    make_bus: MakeKafka, make_store: MakeStore
) -> None:
    bus, store, key = make_bus(), await make_store("first"), uuid.uuid4().hex
    bus.subscribe(subscription(store))
    await bus.start()
    await ready(bus)

    async def are_gone() -> bool:
        return not any(isinstance(one, Received) and one.key == key for one in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        for number in range(5):
            await bus.append([record(key, f"{key}:{number}")])
            await logged(store, f"doc/{key}", number + 1)
        await eventually(are_gone)
    finally:
        gc.enable()


async def test_whoever_gets_the_partitions_of_another_does_not_read_again_what_that_one_took(
    make_bus: MakeKafka, make_store: MakeStore, acknowledged: Acknowledged
) -> None:
    first, second = make_bus(), make_bus()
    stores = await make_store("first"), await make_store("second")
    first.subscribe(subscription(stores[0]))
    second.subscribe(subscription(stores[1]))
    keys = [f"k{number}" for number in range(12)]
    await first.start()
    await first.append([record(key, f"{key}:old") for key in keys])
    for key in keys:
        await logged(stores[0], f"doc/{key}", 1)
    assert acknowledged == []
    await second.start()

    async def shared() -> bool:
        consumer = getattr(second._intakes[0]._subscriber, "consumer", None)
        return consumer is not None and bool(consumer.assignment())

    await eventually(shared)
    assert sum(sum(places.values()) for places in acknowledged) == len(keys)
    await first.append([record(key, f"{key}:new") for key in keys])

    async def taken() -> dict[str, list[str]]:
        found = {
            name: [entry[1] for key in keys for entry in (await store.state(f"doc/{key}") or {"log": []})["log"]]
            for name, store in zip(("first", "second"), stores, strict=True)
        }
        return found if sum(map(len, found.values())) >= 2 * len(keys) else {}

    found = await eventually(taken)
    assert found["second"]
    assert not [event for event in found["second"] if event.endswith(":old")]
    assert sorted(found["first"] + found["second"]) == sorted(f"{key}:{age}" for key in keys for age in ("old", "new"))


async def test_what_the_group_does_not_take_is_acknowledged_later(
    make_bus: MakeKafka, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, tried = AIOKafkaConsumer.commit, Acknowledged()

    async def refused_at_first(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        tried.append(offsets)
        if len(tried) == 1:
            raise CommitFailedError
        await commit(consumer, offsets)

    monkeypatch.setattr(AIOKafkaConsumer, "commit", refused_at_first)
    bus, store = make_bus(), await make_store("first")
    bus.subscribe(subscription(store))
    await bus.start()
    await bus.append([record("k", "e1")])

    async def again() -> bool:
        return len(tried) > 1

    await eventually(again)
    assert tried[0] == tried[1]


async def test_who_is_in_no_hurry_lets_a_while_pass_between_two_batches(
    settings: KafkaSettings, make_bus: MakeKafka
) -> None:
    name, servers = settings.topic_prefix + TOPIC, settings.bootstrap_servers
    consumer = PatientConsumer(name, pace=0.5, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        bus, began = make_bus(), monotonic()
        await bus.append([record("k", "e0")])
        assert len((await consumer.getmany(timeout_ms=1000)).values()) == 1
        reading = asyncio.create_task(consumer.getmany(timeout_ms=1000))
        await bus.append([record("k", "e1")])
        await reading
        assert monotonic() - began >= 0.5
    finally:
        await consumer.stop()
