"""The store's port on SQLite: every write is a job of the writer thread, every read goes to the readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import orjson
from sqlalchemy import Executable, Table
from sqlalchemy.exc import OperationalError

from shared.errors import UnavailableError
from shared.events.envelope import HeaderText
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.store.bells import Bells
from shared.store.intake import accept, mended
from shared.store.model import JSON, Incoming, Kind
from shared.store.port import AuditEntry, Claimed, DeadMessage, Outbound, Store
from shared.store.records import RecordWriter
from shared.store.retention import keep_small
from shared.store.sqlite import activities, care, group, queries
from shared.store.sqlite.clock import SteadyClock
from shared.store.sqlite.database import DIALECT, prepare
from shared.store.sqlite.group import Group
from shared.store.sqlite.owner import Owner
from shared.store.sqlite.readers import Readers, engine_on, run_statement
from shared.store.sqlite.unsent import Unsent, bounded
from shared.store.sqlite.writer import Work, Writer
from shared.store.transition import Rules

OUTBOX_BYTES = 1024 * 1024
DELETE_EVERY = 0.25
"""Seconds from one deletion of rows that were sent to the next: each is a group of its own."""
Alarm = Callable[[str, Mapping[str, Any]], None]


class SQLiteStore(Store):
    """One service's database in one file, owned by one process."""

    def __init__(
        self,
        path: Path,
        *,
        service: str,
        kinds: Sequence[Kind],
        tables: Sequence[Table] = (),
        config: Any = None,  # noqa: ANN401 -- each service hands in a frozen configuration of its own type
        config_sha256: str = "",
    ) -> None:
        self.service = service
        self._path = path
        self._tables = tuple(tables)
        prepare_record = RecordWriter(self._tables, DIALECT).prepare
        self._rules = Rules(service, {kind.name: kind for kind in kinds}, config, config_sha256, prepare_record)
        self._owner = Owner(path)
        self._clock = SteadyClock()
        self._alarms: list[Alarm] = []
        self._asked: dict[str, list[asyncio.Future[bytes]]] = {}
        self._outbox_bell = asyncio.Event()
        self._unsent = Unsent()
        self._gone: list[tuple[int]] = []
        """Rows that were sent and are still to be deleted."""
        self._deleting: asyncio.Task[None] | None = None
        self._next_activity: dict[frozenset[str], float | None] = {}
        self._activity_bells = Bells()
        self._writer: Writer | None = None
        self._reads: Readers | None = None
        self._care: asyncio.Task[None] | None = None
        self._stopped = False

    # life
    async def open(self) -> None:
        with ExitStack() as undo:
            self._owner.acquire()
            undo.callback(self._owner.release)
            connection = await asyncio.to_thread(prepare, self._path, self.service, self._tables)
            activities.free(connection)
            undo.pop_all()
        self._engine = engine_on(connection)
        self._writer = Writer(connection, self._rules, self._clock, self._tell)
        self._reads = Readers(self._path)

    async def start(self) -> None:
        self._opened().decide()
        self._care = begin_task(keep_small(self.retain))

    async def close(self) -> None:
        await stop_tasks(self._care, self._deleting)
        self._care = self._deleting = None
        with suppress(UnavailableError):
            await self._delete_sent()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()
        if self._reads is not None:
            readers, self._reads = self._reads, None
            readers.close()
        self._owner.release()

    def ended(self) -> str | None:
        return (
            "its writer has ended, the log says how; only a new start mends it"
            if self._stopped
            else why_ended(self._care)
        )

    def _opened(self) -> Writer:
        if self._writer is None:
            raise UnavailableError(f"the store of {self.service} is not open")
        return self._writer

    @property
    def _readers(self) -> Readers:
        if self._reads is None:
            raise UnavailableError(f"the store of {self.service} is not open")
        return self._reads

    async def _write(self, work: Work, *, light: bool = False) -> Any:  # noqa: ANN401 -- the type of the result is the caller's
        return await self._opened().submit(work, light=light)

    def _tell(self, done: Group) -> None:
        """Wake whoever waits for what a committed group holds. Runs on the event loop."""
        if done.outbox:
            self._unsent.add(done.outbox)
            self._outbox_bell.set()
        if done.activities:
            self._activity_bells.ring()
        for message_id, body in done.replies.items():
            for future in self._asked.pop(message_id, ()):
                if not future.done():
                    future.set_result(body)
        for reason, facts in done.alarms:
            self._stopped = self._stopped or reason == "store_stopped"
            for listener in self._alarms:
                listener(reason, facts)

    # intake
    async def take(self, messages: Sequence[Incoming], *, subscription: str = "", offset: int = 0) -> int:
        return await self._take(messages, subscription, offset, patient=True)

    async def _take(self, messages: Sequence[Incoming], subscription: str, offset: int, *, patient: bool) -> int:
        accepted = accept(messages, lambda aggregate: self._rules.kind_of(aggregate).lane)
        work = partial(group.take, messages=accepted, subscription=subscription, offset=offset)
        return int(await self._opened().submit(work, patient=patient))

    async def position(self, subscription: str) -> int:
        rows = await self._readers.rows(queries.POSITION, (subscription,))
        return int(rows[0][0]) if rows else 0

    def waiting(self) -> int:
        return self._opened().waiting

    async def ask(self, message: Incoming, *, limit: float = 10.0) -> JSON:
        message_id = mended(message.id)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(message_id, []).append(future)
        try:
            async with asyncio.timeout(limit):
                if not await self._take([message], "", 0, patient=False):
                    answered = await self._readers.rows(queries.REPLY, (message_id,))
                    if answered:
                        return orjson.loads(answered[0][0])
                return orjson.loads(await future)
        except TimeoutError as error:
            raise UnavailableError(
                f"{message.type} {message.id} was not answered within {limit:g} s; it is kept and will be decided"
            ) from error
        finally:
            waiters = self._asked.get(message_id, [])
            if future in waiters:
                waiters.remove(future)
            if not waiters:
                self._asked.pop(message_id, None)

    # outbox
    async def outbox(self, *, limit: int = 500) -> list[Outbound]:
        if self._unsent.whole:
            return self._unsent.oldest(limit, OUTBOX_BYTES)
        await self._delete_sent()
        token = self._unsent.read()
        rows = [
            Outbound(n, aggregate, topic, key, event_id, HeaderText(headers), body)
            for n, aggregate, topic, key, event_id, headers, body in await self._readers.rows(queries.OUTBOX, (limit,))
        ]
        if len(rows) < limit and not await self._readers.rows(queries.PARKED):
            self._unsent.complete(token, rows)
        return bounded(rows, OUTBOX_BYTES)

    async def sent(self, rows: Sequence[Outbound]) -> None:
        # A row that is still there after a kill goes out again under its id, and readers take an id once.
        self._gone += [(row.n,) for row in rows]
        self._unsent.remove(rows)
        if not self._unsent.whole:
            await self._delete_sent()
        elif self._deleting is None or self._deleting.done():
            self._deleting = begin_task(self._delete_later())

    async def _delete_later(self) -> None:
        while self._gone:
            await asyncio.sleep(DELETE_EVERY)
            with suppress(UnavailableError):
                await self._delete_sent()

    async def _delete_sent(self) -> None:
        gone, self._gone = self._gone, []
        if not gone:
            return
        delete = "delete from outbox where n=?"
        try:
            await self._write(lambda g: g.connection.executemany(delete, gone).rowcount, light=True)
        except UnavailableError:
            self._gone = gone + self._gone
            raise

    async def park_key(self, topic: str, key: str, reason: str) -> None:
        await self._write(lambda g: care.park_key(g, topic, key, reason))
        self._unsent.forget()

    async def unpark_key(self, topic: str, key: str) -> None:
        await self._write(lambda g: care.unpark_key(g, topic, key))
        self._unsent.forget()
        self._outbox_bell.set()

    async def wait_outbox(self, limit: float) -> None:
        await _wait(self._outbox_bell, limit)

    async def lead(self) -> bool:
        return True

    # activities
    async def claim(self, *, limit: int, names: Collection[str]) -> list[Claimed]:
        self._activity_bells.hush(names)
        # A claim of repeatable work that is lost with the power is made again by whoever opens the data next.
        found, due = await self._write(lambda g: activities.claim_repeatable(g, limit, names), light=True)
        if found is None:
            found, due = await self._write(lambda g: activities.claim(g, limit, names))
        self._next_activity[frozenset(names)] = due
        return cast("list[Claimed]", found)

    async def renew(self, claimed: Claimed) -> bool:
        return bool(await self._write(lambda g: activities.renew(g, claimed), light=claimed.kind == "repeatable"))

    async def finish(self, claimed: Claimed, result: JSON) -> Literal["done", "late", "stale"]:
        body = orjson.dumps(result)
        outcome = await self._write(lambda g: activities.finish(g, claimed, body))
        return cast("Literal['done', 'late', 'stale']", outcome)

    async def release(self, claimed: Claimed, *, delay: float) -> bool:
        return bool(await self._write(lambda g: activities.release(g, claimed, delay)))

    async def wait_activities(self, limit: float, *, names: Collection[str]) -> None:
        due = self._next_activity.get(frozenset(names))
        if due is not None:
            limit = min(limit, max(0.0, due - self._clock.now()))
        await self._activity_bells.wait(names, limit)

    # reads
    async def state(self, aggregate: str) -> JSON:
        rows = await self._readers.rows(queries.STATE, (aggregate,))
        return orjson.loads(rows[0][0]) if rows else None

    async def states(self, kind: str) -> dict[str, JSON]:
        rows = await self._readers.rows(queries.STATES, (f"{kind}/", f"{kind}0"))
        return {aggregate: orjson.loads(state) for aggregate, state in rows}

    async def rows(self, aggregate: str, prefix: str = "") -> dict[str, JSON]:
        rows = await self._readers.rows(queries.ROWS, (aggregate, prefix, self._clock.now()))
        return {key: orjson.loads(value) for key, value in rows}

    async def select(self, statement: Executable) -> list[Mapping[str, Any]]:
        return await self._readers.select(statement)

    async def execute(self, statement: Executable) -> list[Mapping[str, Any]]:
        try:
            done = await self._opened().submit(lambda _: run_statement(self._engine, statement), alone=True)
        except OperationalError as error:
            raise UnavailableError(f"the database of {self.service} cannot be written now: {error.orig}") from error
        return cast("list[Mapping[str, Any]]", done)

    async def changes(self, after: int, *, limit: int = 500) -> list[tuple[int, str]]:
        return await self._readers.rows(queries.CHANGES, (after, limit))

    async def last_change(self) -> int:
        rows = await self._readers.rows("select coalesce(max(n),0) from change")
        return int(rows[0][0])

    # care
    async def dead(self, message_id: str | None = None) -> list[DeadMessage]:
        return [DeadMessage(*row) for row in await self._readers.rows(queries.DEAD, (message_id,))]

    async def requeue(self, message_id: str) -> bool:
        return bool(await self._write(lambda g: care.requeue(g, message_id)))

    async def audit(self, aggregate: str) -> list[AuditEntry]:
        return [AuditEntry(aggregate, *row) for row in await self._readers.rows(queries.AUDIT, (aggregate,))]

    async def retain(self) -> int:
        return int(await self._write(care.retain))

    def configure(self, config: Any, sha256: str) -> None:  # noqa: ANN401 -- frozen, of the service's own type
        self._rules = replace(self._rules, config=config, config_sha256=sha256)
        if self._writer is not None:
            self._writer.rules = self._rules

    async def now(self) -> float:
        return self._clock.now()

    def on_alarm(self, listener: Alarm) -> None:
        self._alarms.append(listener)


async def _wait(bell: asyncio.Event, limit: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            await bell.wait()
    bell.clear()
