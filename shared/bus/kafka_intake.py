"""One FastStream subscriber: batches into the store, then the acknowledgement.

FastStream's defaults lose messages, so: raw bytes are never decoded here, the header parser cannot raise, a batch is
acknowledged after its transaction, and nothing runs in the handler but that transaction. Nothing is injected into it:
FastStream looks for that in a thread. A watchdog builds the subscriber anew when it has stopped moving (aiokafka can
get stuck after a broker's restart).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from shared.bus.intake import below_high_water, take
from shared.bus.kafka_client import CLOSE_LIMIT, begin, bounded, end_consumer, tls_context
from shared.bus.kafka_consumer import PatientConsumer
from shared.bus.port import Lag, Received, Subscription
from shared.bus.settings import KafkaSettings
from shared.errors import UnavailableError
from shared.events.envelope import read_headers
from shared.runtime.clock import monotonic, wall
from shared.runtime.tasks import begin_task, stop_tasks, why_ended

log = logging.getLogger("signoff.bus")

BATCH_MAX = 500
FETCH_BYTES = 128 * 1024
"""Of a partition, fetched ahead: what lies here lies in the memory of each reader, once for each of 12 partitions."""
POLL_MS = 1000
SESSION_MS = 6000
REBALANCE_MS = 30_000
METADATA_MS = 5000
"""How old a reader's list of topics may be: only a new one shows that a topic which was deleted is there again."""
START_LIMIT = 20.0
STOP_LIMIT = 8.0
HOLD_MAX = 120.0
"""Seconds that a batch may wait for room or for the database before it is refused."""
WATCH_EVERY = 5.0
STUCK_AFTER = 30.0
"""Seconds without progress of a partition, with records waiting, after which the subscriber is built anew."""


class KafkaIntake:
    """Reads one topic into one store."""

    def __init__(self, settings: KafkaSettings, subscription: Subscription) -> None:
        self._settings = settings
        self._subscription = subscription
        self._broker: KafkaBroker | None = None
        self._subscriber: Any = None
        self._task: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._state: str | None = f"{subscription.name} has not started"
        self._in_hand = 0
        self._taken_up_to = wall()
        """When the newest record that was taken was appended; before any: when this began."""

    def start(self) -> None:
        """Begin to read, in the background."""
        self._task = begin_task(self._run())

    async def stop(self) -> None:
        """Finish the batch in hand and leave the group. Bounded in time."""
        await stop_tasks(self._task)
        self._task = None
        await self._close()

    def ended(self) -> str | None:
        """Return how it has ended by itself, None while it reads or tries to."""
        return why_ended(self._task)

    def problem(self) -> str | None:
        """Return why this subscription does not read, None when it does."""
        return self._state

    async def _run(self) -> None:
        """Start, watch, and start again."""
        while True:
            try:
                async with asyncio.timeout(START_LIMIT):
                    await self._open()
                self._state = None
                await self._watch()
                self._state = f"{self._subscription.name} is stuck and starts anew"
            except Exception as error:  # noqa: BLE001 -- clients come to grief in ways of their own; a new one helps
                self._state = f"{self._subscription.name} does not read: {type(error).__name__} {error}"
            log.warning(self._state)
            await self._close()
            await asyncio.sleep(1.0)

    async def _open(self) -> None:
        settings, subscription = self._settings, self._subscription
        self._broker = KafkaBroker(
            settings.bootstrap_servers,
            security=_security(settings),
            metadata_max_age_ms=METADATA_MS,
            allow_auto_create_topics=False,  # FastStream would make one of a single partition.
            consumer_only=True,
            apply_types=False,
            logger=None,
            graceful_timeout=STOP_LIMIT - 1,
        )
        self._subscriber = self._broker.subscriber(
            settings.topic_prefix + subscription.topic,
            group_id=settings.topic_prefix + subscription.name,
            group_instance_id=f"{settings.instance_id}.{subscription.name}" if settings.instance_id else None,
            batch=True,
            max_records=BATCH_MAX,
            max_partition_fetch_bytes=FETCH_BYTES,
            batch_timeout_ms=POLL_MS,
            max_workers=1,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=1000,
            rebalance_timeout_ms=REBALANCE_MS,
            listener=_WaitForBatch(self),
            parser=self._parse,
            decoder=_the_message,
        )
        self._subscriber(self._handle)
        made = cast("partial[Any]", await self._broker.connect())
        self._broker.config.broker_config.builder = partial(PatientConsumer, pace=subscription.pace, **made.keywords)
        await begin(self._broker)

    async def _close(self) -> None:
        if self._broker is None:
            return
        broker, consumer = self._broker, getattr(self._subscriber, "consumer", None)
        self._broker = self._subscriber = None
        try:
            await bounded(broker.stop(), STOP_LIMIT)
        finally:
            if consumer is not None:
                await end_consumer(consumer, CLOSE_LIMIT)

    async def _handle(self, message: KafkaMessage) -> None:
        self._idle.clear()
        records = cast("Sequence[Received]", message.body)
        try:
            self._in_hand = len(records)
            async with asyncio.timeout(HOLD_MAX):
                await below_high_water(self._subscription, self._settings.high_water)
                await take(self._subscription, records)
            self._taken_up_to = max(one.timestamp for one in _records(message.raw_message)) / 1000.0
        except TimeoutError:
            # Any longer and the group would take this member for dead; the batch comes again.
            raise NackMessage from None
        finally:
            self._in_hand = 0
            self._idle.set()
        await message.ack()
        # FastStream lets the message hold itself, and timers hold it: a batch would stay in memory long after.
        message.body = message.raw_message = ()

    async def give_up(self) -> None:
        """Finish and acknowledge the batch in hand, so that whoever gets its partitions does not read it again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REBALANCE_MS / 1000 - 5):
                await self._idle.wait()
        consumer = getattr(self._subscriber, "consumer", None)
        if consumer is not None:
            await consumer.forget()

    async def _parse(self, message: Any, original: Any) -> Any:  # noqa: ANN401 -- FastStream's hooks are untyped
        """Read the records here, totally, and leave FastStream no header: one it cannot read would lose them all."""
        records = _records(message)
        read = [received(record, self._subscription.topic) for record in records]
        for record in records:
            record.headers = ()
        parsed = await original(message)
        parsed.body = read
        return parsed

    async def _watch(self) -> None:
        """Return when the subscriber has died, or its group stands still with records before it or is not to be seen.

        The group and not this member alone: one that the group has lost, unseen by itself, waits for nothing, and what
        it should read waits for ever. A client that cannot look for so long is not waited for either: if the broker is
        away a new one finds that out, and if it is not, this one has come to grief.
        """
        looked, before = monotonic(), await self._behind()
        while True:
            await asyncio.sleep(WATCH_EVERY)
            if self._has_died():
                return
            self._state = self._missing_topic()
            if self._idle.is_set() and monotonic() - looked > STUCK_AFTER:
                behind = await self._behind()
                if before == behind is None or (before or {}).items() & (behind or {}).items():
                    return
                looked, before = monotonic(), behind

    def _has_died(self) -> bool:
        """Say whether a task has ended without which nothing is read.

        One of them is aiokafka's own: a connection that closes under its request for metadata ends the task that makes
        them (with uvloop a RuntimeError), nobody is told, and whatever needs metadata later waits for ever.
        """
        tasks = list(getattr(self._subscriber, "tasks", ()))
        client = getattr(getattr(self._subscriber, "consumer", None), "_client", None)
        metadata = getattr(client, "_sync_task", None)
        return (bool(tasks) and all(task.done() for task in tasks)) or (metadata is not None and metadata.done())

    def _missing_topic(self) -> str | None:
        """Return that the topic is not there, as far as this reader knows."""
        name = self._settings.topic_prefix + self._subscription.topic
        consumer = getattr(self._subscriber, "consumer", None)
        if consumer is None or consumer.partitions_for_topic(name):
            return None
        return f"{self._subscription.name} does not read: topic {name} is missing; run `signoff topics apply`"

    async def lag(self) -> Lag:
        """Return what this member has not taken. The oldest is younger than the newest that was."""
        consumer = getattr(self._subscriber, "consumer", None)
        if consumer is None:
            raise UnavailableError(f"{self._subscription.name} does not read")
        try:
            records = self._in_hand + await _waiting(consumer)
        except (TimeoutError, KafkaError) as error:
            raise UnavailableError(f"Kafka does not say what waits for {self._subscription.name}") from error
        return Lag(self._subscription.name, records, max(wall() - self._taken_up_to, 0.0) if records else 0.0)

    async def _behind(self) -> dict[TopicPartition, int | None] | None:
        """Return what the group has acknowledged of each partition that has more; None when that is not to be had."""
        consumer = getattr(self._subscriber, "consumer", None)
        if consumer is None:
            return None
        name = self._settings.topic_prefix + self._subscription.topic
        partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        try:
            async with asyncio.timeout(WATCH_EVERY):
                ends = await consumer.end_offsets(partitions)
                places = {partition: await consumer.committed(partition) for partition in partitions}
        except (TimeoutError, KafkaError):
            return None
        return {partition: place for partition, place in places.items() if ends[partition] > (place or 0)}


async def _waiting(consumer: Any) -> int:  # noqa: ANN401 -- aiokafka's untyped consumer
    """Return how many records of its partitions a consumer has not read."""
    async with asyncio.timeout(WATCH_EVERY):
        ends: dict[TopicPartition, int] = await consumer.end_offsets(list(consumer.assignment()))
        return sum([max(end - await consumer.position(partition), 0) for partition, end in ends.items()])


class _WaitForBatch(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped library
    """Lets the batch in hand finish before its partitions go to somebody else."""

    def __init__(self, intake: KafkaIntake) -> None:
        self._intake = intake

    async def on_partitions_revoked(self, revoked: object) -> None:
        """Wait for the handler."""
        del revoked
        await self._intake.give_up()

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Do nothing."""
        del assigned


def _records(message: Any) -> Sequence[Any]:  # noqa: ANN401 -- as above
    return message if isinstance(message, tuple | list) else (message,)


async def _the_message(message: KafkaMessage) -> KafkaMessage:
    """Decode nothing, and give the handler the whole message: bytes that nobody reads here cannot break a batch."""
    return message


def _security(settings: KafkaSettings) -> BaseSecurity | None:
    if settings.security_protocol == "PLAINTEXT":
        return None
    context = tls_context(settings) if settings.security_protocol.endswith("SSL") else None
    if not settings.security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=True)
    mechanisms = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return mechanisms[settings.sasl_mechanism](
        username=settings.sasl_username,
        password=settings.sasl_password.get_secret_value(),
        ssl_context=context,
        use_ssl=context is not None,
    )


def received(record: Any, topic: str) -> Received:  # noqa: ANN401 -- aiokafka's untyped record
    """Return a consumed record; whatever its bytes are, this does not raise."""
    raw = record.headers or ()
    try:
        headers = {str(name): value.decode() for name, value in raw}
        envelope = read_headers(headers)
    except (AttributeError, UnicodeDecodeError):
        headers = {str(name): (value or b"").decode("utf-8", "replace") for name, value in raw}
        envelope = read_headers([(str(name), value) for name, value in raw])
    return Received(
        topic=topic,
        key=(record.key or b"").decode("utf-8", "replace"),
        envelope=envelope,
        headers=headers,
        body=record.value or b"",
        offset=record.offset,
        partition=record.partition,
    )
