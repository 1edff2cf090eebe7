"""A consumer that waits until there is something to read, and acknowledges the batches of a moment together."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.runtime.clock import monotonic
from shared.runtime.tasks import begin_task, stop_tasks
from shared.store.failpoints import reach

ACK_EVERY = 0.25
"""Seconds: an acknowledgement costs client and broker as much as a batch does."""
ACK_LIMIT = 2.0
"""Seconds for the last one."""


class PatientConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # untyped library
    """What FastStream reads with. One batch at a time: `getmany`, then `commit` or `seek`, then `getmany` again.

    FastStream sleeps as long as it has waited in vain, with records before it or not; so here `getmany` does not return
    in vain. `commit` notes what is taken and returns: what a kill in between has read again is not taken again.
    """

    def __init__(self, *topics: str, pace: float = 0.0, **options: Any) -> None:  # noqa: ANN401 -- the library's own
        super().__init__(*topics, **options)
        self._pace = pace
        self._next = 0.0
        self._given: dict[TopicPartition, int] = {}
        self._taken: dict[TopicPartition, int] = {}
        self._later: asyncio.Task[None] | None = None
        self._one = asyncio.Lock()

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Any]]:
        """Return the next records, as soon as there are any, and no sooner after the last than the pace allows."""
        await asyncio.sleep(self._next - monotonic())
        found: dict[TopicPartition, list[Any]] = {}
        while not found:
            found = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        self._next = monotonic() + self._pace
        self._given = {partition: records[-1].offset + 1 for partition, records in found.items()}
        return found

    async def commit(self, offsets: object = None) -> None:
        """Note that what `getmany` returned last is taken, to be acknowledged soon."""
        del offsets
        self._taken |= self._given
        if self._later is None or self._later.done():
            self._later = begin_task(self._acknowledge_later())

    async def acknowledge(self) -> None:
        """Tell the group what was taken. What it does not take now is told again. Raises KafkaError."""
        async with self._one:
            mine = self.assignment()
            taken = {partition: place for partition, place in self._taken.items() if partition in mine}
            self._taken = {}
            if not taken:
                return
            reach("intake.before_ack")
            try:
                await super().commit(taken)
            except BaseException:
                self._taken = taken | self._taken
                raise
            reach("intake.after_ack")

    async def forget(self) -> None:
        """Acknowledge what was taken before the partitions go to somebody else."""
        try:
            await self._acknowledge_last()
        finally:
            self._taken = {}

    async def stop(self) -> None:
        """Acknowledge what was taken, and leave the group."""
        try:
            await stop_tasks(self._later)
            await self._acknowledge_last()
        finally:
            await super().stop()

    async def _acknowledge_later(self) -> None:
        while self._taken:
            await asyncio.sleep(ACK_EVERY)
            # What is read again is not taken again, so one that fails is no failure of the batch.
            with contextlib.suppress(KafkaError):
                await self.acknowledge()

    async def _acknowledge_last(self) -> None:
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(ACK_LIMIT):
                await self.acknowledge()
