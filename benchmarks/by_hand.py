"""The SQL of the store without the store: loops over the same statements with constant values, in one thread.

No transition is decided, no JSON read or written, nobody waits for anybody. A turn is what a whole message costs:
intake, transition with one event and one audit entry, the event on the log, and its row gone from the outbox.
"""

# ruff: noqa: SLF001 -- they are to be the store's own statements, whatever these are called
from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvloop

from shared.bus import logfile
from shared.events.envelope import Outgoing, headers_of
from shared.store.postgres import queries as postgres_queries
from shared.store.postgres import statements, writes
from shared.store.sqlite import group, queries, transitions
from shared.store.sqlite.database import connect

BODY = b'{"text":"' + b"x" * 590 + b'"}'
STATE, COUNTED, DIGEST = '{"n":1}', b'{"n":1}', b"x" * 32
HEADERS = orjson.dumps(
    headers_of(
        Outgoing("incidents.v1", "m1", "counted", {}, "live"),
        event_id="thing/counter/1:1",
        source="signoff/thing",
        now=0.0,
    )
).decode()
"""As long as the store's: what is written and read must weigh the same."""
LANE, LEASE = 0, 5.0
_LOG = "insert into log (topic, key, headers, body, at) values (?, ?, ?, ?, ?)"
_SENT = "delete from outbox where n=?"
_HEAD = """insert into key_head(agg,lane,done,tail,due) values(?,?,0,?,?) on conflict(agg) do update set
  lane=excluded.lane, tail=tail+excluded.tail,
  due=case when parked then null else min(coalesce(due,excluded.due),excluded.due) end returning tail, parked"""
"""For one aggregate; the store gives numbers to all of a batch in one statement."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Messages a second, and processor time of a message in this process in microseconds."""

    rate: float
    cost: float


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._begun, self._processor = time.perf_counter(), time.process_time()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.perf_counter() - self._begun

    def speed(self, messages: int) -> Speed:
        """Return how fast that was."""
        return Speed(messages / self.seconds, (time.process_time() - self._processor) / messages * 1e6)


class _Log:
    """The log of the embedded bus."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(logfile._SCHEMA)

    def append(self, rows: list[Any]) -> None:
        """Append outbox rows."""
        self._connection.execute("begin immediate")
        now = time.time()
        self._connection.executemany(_LOG, [(row[2], row[3], row[5], row[6], now) for row in rows])
        self._connection.execute("commit")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def on_sqlite(folder: Path, keys: int, each: int, seconds: float) -> Speed:
    """Return how fast it goes: in a turn `each` for each key, on a database that the store has made."""
    connection, log = connect(folder / "thing.db"), _Log(folder / "by-hand.db")
    watch, turn = Stopwatch(), 0
    try:
        while watch.seconds < seconds:
            _turn_on_sqlite(connection, keys, each, turn)
            _relay_on_sqlite(connection, log)
            turn += 1
        return watch.speed(turn * keys * each)
    finally:
        connection.close()
        log.close()


def _turn_on_sqlite(connection: sqlite3.Connection, keys: int, each: int, turn: int) -> None:
    execute, now, first, entry = connection.execute, time.time(), turn * each + 1, _entry(each)
    execute("begin immediate")
    for key in range(keys):
        for n in range(first, first + each):
            execute(group._SEEN, (b"%16d" % (n * keys + key), now))
        execute(_HEAD, (f"counter/{key}", LANE, each, now)).fetchone()
        rows = [(f"counter/{key}", n, f"m{key}-{n}", "count", BODY, "", now) for n in range(first, first + each)]
        connection.executemany(group._INBOX, rows)
    for aggregate, done in execute(transitions.CLAIM, (LANE, now, keys)).fetchall():
        execute(transitions._INBOX, (aggregate, 500)).fetchall()
        execute(transitions._STATE, (aggregate,)).fetchone()
        numbers = range(done + 1, done + each + 1)
        events = [
            (None, aggregate, n, "incidents.v1", "k", f"thing/{aggregate}:{n}", HEADERS, COUNTED) for n in numbers
        ]
        connection.executemany(transitions._EVENT, events)
        connection.executemany(transitions._AUDIT, [(aggregate, n, now, entry, DIGEST) for n in numbers])
        execute(transitions._SAVE, (aggregate, STATE, turn, done + each, done + each, DIGEST, "{}"))
        execute(transitions._DECIDED, (aggregate, done + 1, done + each))
        execute(transitions._MOVE, (aggregate, done + each, now, None))
    execute("commit")


def _entry(each: int) -> bytes:
    """Return an audit entry as long as the store's, which names the first messages of its batch."""
    ids = [f"m{n}-1-{n}" for n in range(min(each, 20))]
    return orjson.dumps({"at": time.time(), "config": "", "entry": "counted", "messages": ids})


def _relay_on_sqlite(connection: sqlite3.Connection, log: _Log) -> None:
    while rows := connection.execute(queries.OUTBOX, (500,)).fetchall():
        log.append(rows)
        connection.execute("begin immediate")
        connection.executemany(_SENT, [(row[0],) for row in rows])
        connection.execute("commit")


def on_postgres(url: str, folder: Path, keys: int, each: int, seconds: float) -> Speed:
    """Return how fast it goes, as `on_sqlite`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_on_postgres(url, _Log(folder / "by-hand.db"), keys, each, seconds))


async def _on_postgres(url: str, log: _Log, keys: int, each: int, seconds: float) -> Speed:
    connection = await asyncpg.connect(url, server_settings={"search_path": "thing"})
    watch, turn = Stopwatch(), 0
    try:
        while watch.seconds < seconds:
            await connection.fetch(statements.TAKE, *_taken(keys, each, turn), "", 0)
            left = keys
            while left:
                left -= await _step_on_postgres(connection, each, turn)
            while rows := await connection.fetch(postgres_queries.OUTBOX, 500):
                log.append(rows)
                await connection.fetch(postgres_queries.SENT, [row[0] for row in rows])
            turn += 1
        return watch.speed(turn * keys * each)
    finally:
        await connection.close()
        log.close()


def _taken(keys: int, each: int, turn: int) -> list[list[Any]]:
    """Return the columns of an intake."""
    names = [(key, n) for key in range(keys) for n in range(turn * each + 1, turn * each + each + 1)]
    count = len(names)
    return [
        [b"%16d" % (n * keys + key) for key, n in names],
        [f"counter/{key}" for key, _ in names],
        [LANE] * count,
        [f"m{key}-{n}" for key, n in names],
        ["count"] * count,
        [BODY] * count,
        [""] * count,
    ]


async def _step_on_postgres(connection: Any, each: int, turn: int) -> int:  # noqa: ANN401 -- asyncpg has no types
    claimed = await connection.fetch(statements.CLAIM, LEASE)
    heads = [(row["agg"], row["fence"], row["done"]) for row in claimed]
    names = [agg for agg, _, _ in heads]
    many, lasts = len(heads), [done + each for _, _, done in heads]
    each_name = [agg for agg in names for _ in range(each)]
    numbers = [done + n for _, _, done in heads for n in range(1, each + 1)]
    every = len(numbers)
    parts = {
        "decided": [names, [done + 1 for _, _, done in heads], lasts],
        "states": [names, [STATE] * many, [turn] * many, lasts, lasts, [DIGEST] * many, ["{}"] * many, lasts],
        "events": [
            each_name,
            numbers,
            ["incidents.v1"] * every,
            ["k"] * every,
            [f"thing/{agg}:{n}" for agg, n in zip(each_name, numbers, strict=True)],
            [HEADERS] * every,
            [COUNTED] * every,
        ],
        "audit": [each_name, numbers, [time.time()] * every, [_entry(each)] * every, [DIGEST] * every],
    }
    given: list[list[Any]] = [
        names, [LANE] * many, lasts, [0] * many, [None] * many, [fence for _, fence, _ in heads], [False] * many
    ]  # fmt: skip
    for name, (columns, _) in writes._PARTS.items():
        given += parts.get(name) or [[] for _ in columns.split(",")]
    await connection.fetch(writes.COMMIT, *given)
    return many
