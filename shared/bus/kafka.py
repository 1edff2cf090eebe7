"""Kafka: an idempotent producer with a time limit on everything, and one FastStream subscriber a subscription.

aiokafka retries for ever and hangs in `stop` while a broker is dead, so each call sits in a limit and a producer that
missed one is replaced. A send that timed out is *unknown*: the caller sends the same ids again. Start never waits for a
broker: connecting goes on in the background and `problem` tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.bus.kafka_client import begin, client_arguments, end_consumer, end_producer
from shared.bus.kafka_intake import KafkaIntake, received
from shared.bus.kafka_partition import partition
from shared.bus.kafka_topics import check_topics
from shared.bus.port import Bus, Lag, Received, Rejected, Subscription, WireRecord
from shared.bus.settings import KafkaSettings
from shared.bus.topics import sift
from shared.errors import ConfigurationError, UnavailableError
from shared.runtime.deadlines import Deadlines
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.store.failpoints import reach

log = logging.getLogger("signoff.bus")

START_LIMIT = 10.0
STOP_LIMIT = 3.0
RETRY = 1.0
BATCH_BYTES = 512 * 1024


class KafkaBus(Bus):
    """A bus on a Kafka cluster."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._deadlines = Deadlines()
        self._intakes: list[KafkaIntake] = []
        self._boot: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._not_connected: str | None = "not connected to Kafka yet"
        self._not_sent: str | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def subscribe(self, subscription: Subscription) -> None:
        self._intakes.append(KafkaIntake(self._settings, subscription))

    async def start(self) -> None:
        # Each retry of a dead connection is a line; a broker that is away for an hour must not write a million.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self._boot = begin_task(self._connect())

    async def stop(self) -> None:
        await stop_tasks(self._boot, self._probing)
        self._boot = self._probing = None
        await asyncio.gather(*(intake.stop() for intake in self._intakes))
        if self._producer is not None:
            self._close(self._producer)
            self._producer = None
        if self._closing:
            await asyncio.wait(self._closing)

    async def append(self, records: Sequence[WireRecord], *, limit: float = 10.0) -> list[Rejected]:
        taken, rejected = sift(records)
        if taken:
            reach("bus.before_append")
            await self._send([records[index] for index in taken], limit)
            reach("bus.after_append")
        return rejected

    def ended(self) -> str | None:
        boot = why_ended(self._boot) if self._not_connected else None
        return boot or next(filter(None, (intake.ended() for intake in self._intakes)), None)

    def problem(self) -> str | None:
        stuck = [problem for intake in self._intakes if (problem := intake.problem())]
        return self._not_connected or self._not_sent or (stuck[0] if stuck else None)

    async def lags(self) -> list[Lag]:
        return list(await asyncio.gather(*(intake.lag() for intake in self._intakes)))

    async def tail(self, topic: str, *, from_start: bool = False) -> AsyncIterator[Received]:
        consumer = AIOKafkaConsumer(
            self._settings.topic_prefix + topic,
            group_id=None,
            auto_offset_reset="earliest" if from_start else "latest",
            **client_arguments(self._settings),
        )
        try:
            try:
                async with asyncio.timeout(START_LIMIT):
                    await begin(consumer)
            except (TimeoutError, KafkaError) as error:
                raise UnavailableError(f"Kafka does not answer: {error}") from error
            async for record in consumer:
                yield received(record, topic)
        finally:
            await end_consumer(consumer, STOP_LIMIT)

    async def _connect(self) -> None:
        """Check the topics, then start reading; again and again until the cluster answers."""
        while True:
            try:
                await check_topics(self._settings)
                break
            except (ConfigurationError, UnavailableError) as error:
                self._not_connected = str(error)
            await asyncio.sleep(RETRY)
        for intake in self._intakes:
            intake.start()
        self._not_connected = None

    async def _send(self, records: Sequence[WireRecord], limit: float) -> None:
        producer = None
        try:
            with self._deadlines.within(limit):
                producer = self._producer or await self._ready_producer()
                await _all_of(await self._begin(producer, records))
        except (TimeoutError, KafkaError, OSError) as error:
            # Another caller may have replaced it already.
            if producer is not None and producer is self._producer:
                self._close(producer)
                self._producer = None
            self._not_sent = f"Kafka did not take the records: {type(error).__name__} {error}"
            if self._probing is None or self._probing.done():
                self._probing = asyncio.create_task(self._probe())
            raise UnavailableError(self._not_sent) from error
        self._not_sent = None

    async def _probe(self) -> None:
        """Notice that the cluster is back, also when nobody sends."""
        while self._not_sent is not None:
            await asyncio.sleep(RETRY)
            with contextlib.suppress(TimeoutError, KafkaError, OSError):
                async with asyncio.timeout(START_LIMIT):
                    await self._ready_producer()
                self._not_sent = None

    async def _begin(self, producer: AIOKafkaProducer, records: Sequence[WireRecord]) -> list[asyncio.Future[object]]:
        names = {record.topic: self._settings.topic_prefix + record.topic for record in records}
        partitions = {topic: sorted(await producer.partitions_for(name)) for topic, name in names.items()}
        begun = []
        for record in records:
            key = record.key.encode()
            delivered: asyncio.Future[object] = await producer.send(
                names[record.topic],
                record.body,
                key=key,
                partition=partition(key, partitions[record.topic]),
                headers=[(name, value.encode()) for name, value in record.headers.items()],
            )
            begun.append(delivered)
        return begun

    async def _ready_producer(self) -> AIOKafkaProducer:
        async with self._making:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=0,
                    max_batch_size=BATCH_BYTES,
                    **client_arguments(self._settings),
                )
                try:
                    await begin(producer)
                except BaseException:
                    self._close(producer)
                    raise
                self._producer = producer
            return self._producer

    def _close(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(end_producer(producer, STOP_LIMIT))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _all_of(begun: Sequence[asyncio.Future[object]]) -> None:
    """Return when all are delivered. One after the other: most come at once, and a callback for each costs more."""
    try:
        for delivered in begun:
            await delivered
    except BaseException:
        asyncio.gather(
            *begun, return_exceptions=True
        )  # Else the others complain that nobody asked what became of them.
        raise
