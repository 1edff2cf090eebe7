"""The embedded bus: one append-only log in an SQLite file, for all services of one process.

Each subscription reads in offset order and keeps its offset with its inbox, so a log that is read again after a crash
gives nothing twice. Appends are group commits of one writer thread, on disk before they return.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import orjson

from shared.bus.intake import HIGH_WATER, below_high_water, take
from shared.bus.logfile import RETAIN_STEP, LogFile, Row
from shared.bus.port import Bus, Lag, Received, Rejected, Subscription, WireRecord
from shared.bus.topics import NAMES, RETENTION_SECONDS, sift
from shared.errors import UnavailableError
from shared.events.envelope import HeaderText, read_headers
from shared.runtime.clock import wall
from shared.runtime.tasks import begin_task, stop_tasks, why_ended

log = logging.getLogger("signoff.bus")

READ_MAX = 500
"""Records read at a time."""
RETAIN_EVERY = 60.0
POLL = 1.0
"""Seconds between two looks when nobody rings."""


class EmbeddedBus(Bus):
    """A bus in a file."""

    def __init__(self, path: Path, *, high_water: int = HIGH_WATER, retention: float = RETENTION_SECONDS) -> None:
        self._file = LogFile(path)
        self._high_water = high_water
        self._retention = retention
        self._subscriptions: list[Subscription] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._read_up_to: dict[str, int] = {}

    def subscribe(self, subscription: Subscription) -> None:
        self._subscriptions.append(subscription)

    async def start(self) -> None:
        await asyncio.to_thread(self._file.open)
        self._tasks = [begin_task(self._read(subscription)) for subscription in self._subscriptions]
        self._tasks.append(begin_task(self._retain()))

    async def stop(self) -> None:
        await stop_tasks(*self._tasks)
        self._tasks = []
        await asyncio.to_thread(self._file.close)

    async def append(self, records: Sequence[WireRecord], *, limit: float = 10.0) -> list[Rejected]:
        taken, rejected = sift(records)
        at = wall()
        rows = [_row(records[index], at) for index in taken]
        if rows:
            try:
                async with asyncio.timeout(limit):
                    await self._file.append(rows)
            except TimeoutError as error:
                raise UnavailableError(f"the log took nothing for {limit:g} s") from error
            except sqlite3.Error as error:
                raise UnavailableError(f"the log cannot be written: {error}") from error
            for topic in {topic for topic, *_ in rows}:
                for bell in self._bells.get(topic, ()):
                    bell.set()
        return rejected

    def ended(self) -> str | None:
        return next(filter(None, map(why_ended, self._tasks)), None)

    def problem(self) -> str | None:
        return self.ended() or self._file.problem

    async def lags(self) -> list[Lag]:
        return await asyncio.to_thread(lambda: [self._lag(s) for s in self._subscriptions])

    def _lag(self, subscription: Subscription) -> Lag:
        records, oldest = self._file.after(subscription.topic, self._read_up_to.get(subscription.name, 0))
        return Lag(subscription.name, records, max(wall() - oldest, 0.0) if records else 0.0)

    async def tail(self, topic: str, *, from_start: bool = False) -> AsyncIterator[Received]:
        with self._bell(topic) as bell:
            async for received in _follow(self._file, topic, bell, from_start=from_start):
                yield received

    @contextlib.contextmanager
    def _bell(self, topic: str) -> Iterator[asyncio.Event]:
        bell = asyncio.Event()
        self._bells.setdefault(topic, set()).add(bell)
        try:
            yield bell
        finally:
            self._bells[topic].discard(bell)

    async def _read(self, subscription: Subscription) -> None:
        position = await self._position(subscription)
        self._read_up_to[subscription.name] = position
        with self._bell(subscription.topic) as bell:
            while True:
                try:
                    await below_high_water(subscription, self._high_water)
                    bell.clear()
                    rows = await asyncio.to_thread(self._file.read, subscription.topic, position, READ_MAX)
                except UnavailableError as error:
                    log.warning("%s waits: %s", subscription.name, error)
                    await asyncio.sleep(POLL)
                    continue
                if not rows:
                    await _ring(bell)
                    continue
                await take(subscription, [_received(row) for row in rows], offset=rows[-1].offset)
                position = rows[-1].offset
                self._read_up_to[subscription.name] = position

    async def _position(self, subscription: Subscription) -> int:
        while True:
            try:
                return await subscription.store.position(subscription.name)
            except UnavailableError:
                await asyncio.sleep(POLL)

    async def _retain(self) -> None:
        while True:
            await asyncio.sleep(RETAIN_EVERY)
            with contextlib.suppress(sqlite3.Error, UnavailableError):  # `problem` tells; the next round tries again.
                await self.retain()

    async def retain(self) -> None:
        """Delete what is too old in small steps, never past the slowest subscription of a topic."""
        for topic in NAMES:
            readers = [self._read_up_to.get(s.name, 0) for s in self._subscriptions if s.topic == topic]
            slowest = min(readers) if readers else await asyncio.to_thread(self._file.newest)
            gone = RETAIN_STEP
            while gone == RETAIN_STEP:
                gone = await self._file.retain(topic, slowest, self._retention)


def tail_file(path: Path) -> Callable[..., AsyncIterator[Received]]:
    """Return `tail` for the log of another process, which rings no bell here: it is looked at every second."""

    async def tail(topic: str, *, from_start: bool = False) -> AsyncIterator[Received]:
        file = LogFile(path)
        file.open_beside()
        try:
            async for received in _follow(file, topic, asyncio.Event(), from_start=from_start):
                yield received
        finally:
            file.close()

    return tail


async def _follow(file: LogFile, topic: str, bell: asyncio.Event, *, from_start: bool) -> AsyncIterator[Received]:
    position = 0 if from_start else await asyncio.to_thread(file.newest)
    while True:
        bell.clear()
        rows = await asyncio.to_thread(file.read, topic, position, READ_MAX)
        for row in rows:
            position = row.offset
            yield _received(row)
        if not rows:
            await _ring(bell)


def _row(record: WireRecord, at: float) -> tuple[str, str, str, bytes, float]:
    headers = record.headers
    text = headers.text if isinstance(headers, HeaderText) else orjson.dumps(dict(headers)).decode()
    return record.topic, record.key, text, record.body, at


def _received(row: Row) -> Received:
    headers: dict[str, str] = orjson.loads(row.headers)
    return Received(
        topic=row.topic,
        key=row.key,
        envelope=read_headers(headers),
        headers=headers,
        body=row.body,
        offset=row.offset,
    )


async def _ring(bell: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(POLL):
            await bell.wait()
