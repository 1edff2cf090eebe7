"""However a client of Kafka ends, and whatever its broker does then, it leaves no connection and no task behind."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataResponse_v0

from shared.bus import kafka_client, kafka_intake
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_client import end_client, end_consumer, end_producer
from shared.bus.kafka_intake import KafkaIntake
from shared.bus.kafka_topics import check_topics
from shared.bus.settings import KafkaSettings
from shared.store.port import Store
from tests.contract.bus.conftest import TOPIC, MakeStore, record, subscription
from tests.support.kinds import eventually

VERSIONS = ApiVersionResponse_v0(error_code=0, api_versions=[(key, 0, 0) for key in range(19)]).encode()


class Debtor:
    """A broker that says which versions it speaks and owes every other answer. A deaf one reads no further either."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.is_deaf = False
        self.open = 0
        """Connections that are."""
        self.owes = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        self.open += 1
        try:
            asked = await _request(reader)
            answer = asked[4:8] + VERSIONS
            writer.write(struct.pack(">i", len(answer)) + answer)
            if self.is_deaf:
                writer.transport.pause_reading()  # type: ignore[attr-defined]  # one of a socket has it
            await _request(reader)
            self.owes.set()
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def is_alone(self) -> bool:
        """Say whether nobody is connected."""
        return self.open == 0


async def _request(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


@pytest.fixture
async def debtor() -> AsyncIterator[Debtor]:
    made = Debtor()
    server = await asyncio.start_server(made.serve, "127.0.0.1")
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def look_at_topics(settings: KafkaSettings, store: Store) -> None:
    """As `signoff topics` does."""
    del store
    await check_topics(settings)


async def send(settings: KafkaSettings, store: Store) -> None:
    """As a relay does."""
    del store
    bus = KafkaBus(settings)
    try:
        await bus.append([record("k", "e1")])
    finally:
        await bus.stop()


async def look_on(settings: KafkaSettings, store: Store) -> None:
    """As `signoff tail` does."""
    del store
    async for _ in KafkaBus(settings).tail(TOPIC):
        pass


async def read(settings: KafkaSettings, store: Store) -> None:
    """As a service does."""
    intake = KafkaIntake(settings, subscription(store))
    intake.start()
    try:
        await asyncio.Event().wait()
    finally:
        await intake.stop()


@pytest.mark.parametrize("use", [look_at_topics, send, look_on, read])
async def test_whoever_is_stopped_while_the_broker_owes_it_the_metadata_leaves_no_connection_open(
    debtor: Debtor, make_store: MakeStore, use: Callable[[KafkaSettings, Store], Awaitable[None]]
) -> None:
    settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{debtor.port}")
    using = asyncio.ensure_future(use(settings, await make_store(start=False)))
    await debtor.owes.wait()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    await eventually(debtor.is_alone, limit=5)


async def test_a_connection_that_is_being_made_while_its_client_ends_is_not_left_open(debtor: Debtor) -> None:
    client = AIOKafkaClient(bootstrap_servers="nowhere:9")
    client.cluster.update_metadata(MetadataResponse_v0([(7, "127.0.0.1", debtor.port)], []))
    connecting = asyncio.ensure_future(client.ready(7))
    await asyncio.sleep(0)
    await end_client(client)
    assert not await connecting
    await eventually(debtor.is_alone, limit=5)


async def test_a_connection_whose_broker_takes_nothing_is_not_left_open(
    debtor: Debtor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_client, "CLOSE_LIMIT", 0.05)
    debtor.is_deaf = True
    client = AIOKafkaClient(bootstrap_servers="nowhere:9")
    client.cluster.update_metadata(MetadataResponse_v0([(7, "127.0.0.1", debtor.port)], []))
    assert await client.ready(7)
    [connection] = client._conns.values()
    sent = connection._writer.transport
    sent.write(bytes(16 * 1024 * 1024))
    assert sent.get_write_buffer_size()
    await end_client(client)
    assert await asyncio.wait_for(connection.close(), 5) is None


async def no_task_is_left() -> bool:
    """Say whether nothing of the library goes on."""
    return not [task for task in asyncio.all_tasks() if "aiokafka" in repr(task)]


async def comes_to_grief() -> None:
    """End as a task of the library does at times."""
    raise RuntimeError


async def hangs() -> None:
    """End as a task of the library does when its broker is away: not at all."""
    await asyncio.Event().wait()


@pytest.mark.kafka
@pytest.mark.parametrize("fate", [comes_to_grief, hangs])
@pytest.mark.parametrize(
    "part, task", [("_client", "_sync_task"), ("_coordinator", "_coordination_task"), ("_fetcher", "_fetch_task")]
)
async def test_a_consumer_of_which_a_part_hangs_or_comes_to_grief_ends_all_the_same(
    settings: KafkaSettings, part: str, task: str, fate: Callable[[], Awaitable[None]]
) -> None:
    servers, name = settings.bootstrap_servers, settings.topic_prefix + TOPIC
    consumer = AIOKafkaConsumer(name, bootstrap_servers=servers, group_id=name, enable_auto_commit=False)
    await consumer.start()
    connections = list(consumer._client._conns.values())
    assert connections
    getattr(getattr(consumer, part), task).cancel()
    setattr(getattr(consumer, part), task, asyncio.ensure_future(fate()))
    await asyncio.sleep(0)
    await end_consumer(consumer, 0.2)
    assert not [one for one in connections if one.connected()]
    await eventually(no_task_is_left, limit=5)


@pytest.mark.kafka
async def test_a_producer_that_cannot_flush_ends_all_the_same(settings: KafkaSettings) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, linger_ms=60_000)
    await producer.start()
    await producer.send(settings.topic_prefix + TOPIC, b"{}")
    producer._sender.sender_task.cancel()
    producer._sender._sender_task = asyncio.ensure_future(hangs())
    await asyncio.sleep(0)
    await end_producer(producer, 0.2)
    await eventually(no_task_is_left, limit=5)


@pytest.mark.kafka
async def test_a_reader_that_is_stopped_while_it_is_built_anew_leaves_nothing_behind(
    settings: KafkaSettings, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_intake, "WATCH_EVERY", 0.05)
    closing = asyncio.Event()

    async def never_stops(consumer: AIOKafkaConsumer) -> None:
        consumer._closed = True
        closing.set()
        await hangs()

    monkeypatch.setattr(AIOKafkaConsumer, "stop", never_stops)
    intake = KafkaIntake(settings, subscription(await make_store(start=False)))
    intake.start()

    async def client() -> Any:  # noqa: ANN401 -- of a library without types
        return intake._subscriber.consumer._client if intake.problem() is None else None

    reading = await eventually(client)
    reading._sync_task.cancel()
    await closing.wait()
    await intake.stop()
    assert not [one for one in reading._conns.values() if one.connected()]
    await eventually(no_task_is_left, limit=5)
