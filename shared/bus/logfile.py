"""The file of the embedded bus: a table that is only appended to, one writer thread, group commits."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.errors import ConfigurationError, NotFoundError, UnavailableError
from shared.runtime.clock import wall
from shared.store.failpoints import reach

log = logging.getLogger("signoff.bus")

GROUP_MAX = 256
"""Appends that share a commit."""
RETAIN_STEP = 500

_SCHEMA = """
create table if not exists log (
    "offset" integer primary key autoincrement, topic text not null, key text not null, headers text not null,
    body blob not null, at real not null);
create index if not exists log_topic on log (topic, "offset");
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the log."""

    offset: int
    topic: str
    key: str
    headers: str
    body: bytes


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], int]
    done: asyncio.Future[int]


class LogFile:
    """The file. `open` and `close` once; writes from one event loop, reads from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._lock: FileIO | None = None
        self.problem: str | None = None

    def open(self) -> None:
        """Take the file over. Raises ConfigurationError when another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileIO(self._path.with_suffix(".lock"), "a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise ConfigurationError(f"{self._path} is in use by another process") from error
        writer = self._connect()
        writer.executescript(_SCHEMA)
        self._reader = self._connect()
        self._thread = threading.Thread(target=self._write, args=(writer,), name="bus-writer", daemon=True)
        self._thread.start()

    def open_beside(self) -> None:
        """Only read, beside the process that owns the file or without one. Raises NotFoundError for no file."""
        if not self._path.exists():
            raise NotFoundError(f"there is no bus in {self._path.parent}; nothing was started there yet")
        address = (
            f"file:{quote(str(self._path))}?mode=rw"  # Not `ro`: then SQLite could not read a log nobody has open.
        )
        self._reader = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=10.0)
        self._reader.execute("pragma query_only = on")

    def close(self) -> None:
        """Finish what is queued and release the file. Idempotent."""
        if self._thread is None:
            if self._lock is None:
                self._close_reader()
            return
        self._jobs.put(None)
        self._thread.join(10.0)
        self._thread = None
        self._close_reader()
        if self._lock is not None:
            self._lock.close()

    def _close_reader(self) -> None:
        """Wait for the read in hand: its thread goes on when its task is cancelled, and SQLite would crash under it."""
        with self._reading:
            if self._reader is not None:
                self._reader.close()
            self._reader = None

    def append(self, rows: Sequence[tuple[str, str, str, bytes, float]]) -> asyncio.Future[int]:
        """Append (topic, key, headers, body, time) in order; the future ends when the rows are on disk."""

        def work(connection: sqlite3.Connection) -> int:
            insert = "insert into log (topic, key, headers, body, at) values (?, ?, ?, ?, ?)"
            return connection.executemany(insert, rows).rowcount

        return self._do(work)

    def retain(self, topic: str, up_to: int, seconds: float) -> asyncio.Future[int]:
        """Delete one step of what is older than `seconds`, up to an offset; a full step means that there is more."""
        before = wall() - seconds

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                'delete from log where "offset" in (select "offset" from log where topic = ? and "offset" <= ?'
                ' and at < ? order by "offset" limit ?)',
                (topic, up_to, before, RETAIN_STEP),
            ).rowcount

        return self._do(work)

    def read(self, topic: str, after: int, limit: int) -> list[Row]:
        """Return records of a topic after an offset."""
        return [
            Row(*values)
            for values in self._select(
                'select "offset", topic, key, headers, body from log where topic = ? and "offset" > ?'
                ' order by "offset" limit ?',
                (topic, after, limit),
            )
        ]

    def after(self, topic: str, offset: int) -> tuple[int, float]:
        """Return how many records of a topic are after an offset, and when the first of them was appended."""
        [[count, first]] = self._select(
            'select count(*), min("offset") from log where topic = ? and "offset" > ?', (topic, offset)
        )
        found = self._select('select at from log where "offset" = ?', (first,))
        return int(count), float(found[0][0]) if found else 0.0

    def newest(self) -> int:
        """Return the newest offset, 0 at first."""
        [[offset]] = self._select('select coalesce(max("offset"), 0) from log', ())
        return int(offset)

    def _select(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        with self._reading:
            if self._reader is None:
                raise UnavailableError("the log is not open")
            try:
                return self._reader.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                raise UnavailableError(f"the log cannot be read now: {error}") from error

    def _do(self, work: Callable[[sqlite3.Connection], int]) -> asyncio.Future[int]:
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        return job.done

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10.0)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        return connection

    def _write(self, connection: sqlite3.Connection) -> None:
        while (job := self._jobs.get()) is not None:
            group = [job]
            last = False
            while len(group) < GROUP_MAX and not self._jobs.empty():
                more = self._jobs.get()
                if more is None:
                    last = True
                    break
                group.append(more)
            self._commit(connection, group)
            if last:
                break
        connection.close()

    def _commit(self, connection: sqlite3.Connection, group: Sequence[_Job]) -> None:
        try:
            connection.execute("begin immediate")
            results = [job.work(connection) for job in group]
            reach("bus.before_append")
            connection.execute("commit")
            reach("bus.after_append")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("rollback")
            if self.problem is None:
                log.error("log cannot be written: %s", error)  # noqa: TRY400 -- the message says it; no trace at 3 a.m.
            self.problem = f"the log cannot be written: {error}"
            _tell(group, [error] * len(group))
        else:
            self.problem = None
            _tell(group, results)


def _tell(group: Sequence[_Job], outcomes: Sequence[int | sqlite3.Error]) -> None:
    """End the futures of a group, all in one turn of their event loop."""

    def settle() -> None:
        for job, outcome in zip(group, outcomes, strict=True):
            if job.done.done():
                continue
            if isinstance(outcome, int):
                job.done.set_result(outcome)
            else:
                job.done.set_exception(outcome)

    with suppress(RuntimeError):  # The loop is closed: nobody is left who could be told.
        group[0].done.get_loop().call_soon_threadsafe(settle)
