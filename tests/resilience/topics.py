"""What an administrator can do to topics and groups, and what lies on a topic. All calls block."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.bus.kafka_client import begin, end_client, end_consumer
from shared.bus.kafka_topics import apply_topics
from shared.bus.settings import KafkaSettings
from shared.bus.topics import PARTITIONS, TOPICS, group
from shared.events.envelope import Envelope, read_headers
from tests.support.kinds import eventually

T = TypeVar("T")
LIMIT, STOP_LIMIT = 60.0, 3.0


@dataclass(frozen=True, slots=True)
class Laid:
    """One record as it lies on a topic."""

    key: str
    envelope: Envelope
    body: bytes


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics and groups of one cluster."""

    servers: str
    prefix: str

    def delete(self, names: Iterable[str]) -> None:
        """Delete topics with all that is in them."""
        full = [self.prefix + name for name in names]

        async def gone(admin: AIOKafkaAdminClient) -> None:
            await admin.delete_topics(full)

            async def nowhere() -> bool:
                return not set(full) & set(await admin.list_topics())

            await eventually(nowhere, limit=LIMIT)

        self._administer(gone)

    def create(self) -> None:
        """Create the topics that are missing, empty."""
        asyncio.run(apply_topics(KafkaSettings(bootstrap_servers=self.servers, topic_prefix=self.prefix, replicas=1)))

    def rewind(self) -> None:
        """Let every group read everything again. Nobody may be in them."""

        async def rewound() -> None:
            for topic in TOPICS:
                for reader in topic.readers:
                    await self._rewind(self.prefix + topic.name, self.prefix + group(reader, topic.name))

        asyncio.run(rewound())

    async def _rewind(self, topic: str, name: str) -> None:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        async with self._consumer(group_id=name, enable_auto_commit=False) as consumer:
            consumer.assign(partitions)

            async def committed() -> bool:
                # A member with a name of its own is in the group until its session ends.
                try:
                    await consumer.commit(dict.fromkeys(partitions, 0))
                except KafkaError:
                    return False
                return True

            await eventually(committed, limit=LIMIT)

    def visit(self, service: str, *, every: float, seconds: float) -> None:
        """Join all groups of a service and leave them again, by turns; nothing is acknowledged."""

        async def stay(name: str) -> None:
            own = self.prefix + group(service, name)
            async with self._consumer(self.prefix + name, group_id=own, enable_auto_commit=False):
                await asyncio.sleep(every)

        async def visited() -> None:
            read = [topic.name for topic in TOPICS if service in topic.readers]
            for _ in range(max(1, round(seconds / every / 2))):
                await asyncio.gather(*(stay(name) for name in read))
                await asyncio.sleep(every)

        asyncio.run(visited())

    def lag(self) -> int:
        """Return how many records no group has acknowledged that should."""

        async def count(admin: AIOKafkaAdminClient) -> int:
            ends = await self._ends()
            found = 0
            for topic in TOPICS:
                for reader in topic.readers:
                    taken = await admin.list_consumer_group_offsets(self.prefix + group(reader, topic.name))
                    found += sum(
                        end - max(taken[partition].offset, 0) if partition in taken else end
                        for partition, end in ends.items()
                        if partition.topic == self.prefix + topic.name
                    )
            return found

        return self._administer(count)

    def ends(self) -> Counter[str]:
        """Return how many records were ever appended, by topic."""
        found: Counter[str] = Counter()
        for partition, end in asyncio.run(self._ends()).items():
            found[partition.topic.removeprefix(self.prefix)] += end
        return found

    async def _ends(self) -> dict[TopicPartition, int]:
        async with self._consumer(group_id=None) as consumer:
            found = [TopicPartition(self.prefix + topic.name, n) for topic in TOPICS for n in range(topic.partitions)]
            ends: dict[TopicPartition, int] = await consumer.end_offsets(found)
            return ends

    def read(self, name: str) -> list[Laid]:
        """Return all that lies on a topic; records of one key are in their order."""

        async def everything() -> list[Laid]:
            topic = self.prefix + name
            ends = {partition: end for partition, end in (await self._ends()).items() if partition.topic == topic}
            left = {partition for partition, end in ends.items() if end}
            found: list[Laid] = []
            options: dict[str, object] = {"group_id": None, "auto_offset_reset": "earliest", "max_poll_records": 5000}
            async with self._consumer(**options) as consumer, asyncio.timeout(LIMIT):
                consumer.assign(list(ends))
                while left:
                    for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                        found += (Laid(r.key.decode(), read_headers(r.headers), r.value) for r in records)
                        left -= {partition} if records[-1].offset + 1 >= ends[partition] else set()
            return found

        return asyncio.run(everything())

    def _administer(self, act: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        async def administer() -> T:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.servers)
            try:
                await begin(admin)
                return await act(admin)
            finally:
                await end_client(admin._client)

        return asyncio.run(administer())

    @asynccontextmanager
    async def _consumer(self, *topics: str, **options: object) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(*topics, bootstrap_servers=self.servers, **options)
        try:
            await begin(consumer)
            yield consumer
        finally:
            await end_consumer(consumer, STOP_LIMIT)
