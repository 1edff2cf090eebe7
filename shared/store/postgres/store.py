"""The store's port on PostgreSQL. Any number of processes may open the same schema; they share the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import orjson
from sqlalchemy import Executable, Table

from shared.errors import UnavailableError
from shared.events.envelope import HeaderText
from shared.runtime.tasks import begin_task, stop_tasks, why_ended
from shared.store.intake import accept, mended
from shared.store.model import JSON, Incoming, Kind
from shared.store.port import AuditEntry, Claimed, DeadMessage, Outbound, Store
from shared.store.postgres import activities, care, queries
from shared.store.postgres.database import DIALECT, Database
from shared.store.postgres.leader import Leader
from shared.store.postgres.pulse import Pulse, wait
from shared.store.postgres.runner import Runner, Told
from shared.store.postgres.setup import prepare
from shared.store.postgres.statements import TAKE
from shared.store.records import RecordWriter
from shared.store.retention import keep_small
from shared.store.transition import Rules

Alarm = Callable[[str, Mapping[str, Any]], None]


class PostgresStore(Store):
    """One replica's view of the schema of its service."""

    def __init__(
        self,
        url: str,
        *,
        service: str,
        kinds: Sequence[Kind],
        tables: Sequence[Table] = (),
        config: Any = None,  # noqa: ANN401 -- each service hands in a frozen configuration of its own type
        config_sha256: str = "",
    ) -> None:
        self.service = service
        self._tables = tuple(tables)
        prepare_record = RecordWriter(self._tables, DIALECT).prepare
        self._rules = Rules(service, {kind.name: kind for kind in kinds}, config, config_sha256, prepare_record)
        self._database = Database(url, service)
        self._pulse = Pulse(self._database)
        self._leader = Leader(self._database)
        self._runner = Runner(self._database, lambda: self._rules, self._tell)
        self._alarms: list[Alarm] = []
        self._now = 0.0
        self._care: asyncio.Task[None] | None = None
        self._open = False

    # life
    async def open(self) -> None:
        await self._database.open(lambda connection: prepare(connection, self._database, self._tables))
        await self._pulse.open()
        self._open = True

    async def start(self) -> None:
        self._runner.start()
        self._care = begin_task(keep_small(self.retain))

    async def close(self) -> None:
        self._open = False
        await stop_tasks(self._care)
        self._care = None
        await self._runner.stop()
        await self._pulse.close()
        await self._leader.close()
        await self._database.close()

    def ended(self) -> str | None:
        return self._runner.ended() or self._pulse.ended() or why_ended(self._care)

    def _tell(self, told: Told) -> None:
        """Wake whoever waits for what has just been committed."""
        self._pulse.waiting += told.waiting
        if told.outbox:
            self._pulse.outbox.set()
        if told.activities:
            self._pulse.activities.ring()
        for message_id, body in told.replies.items():
            self._pulse.reply(message_id, body)
        for reason, facts in told.alarms:
            for listener in self._alarms:
                listener(reason, facts)

    def _enqueued(self, waiting: int) -> None:
        self._pulse.waiting += waiting
        if waiting:
            self._runner.bell.set()

    # intake
    async def take(self, messages: Sequence[Incoming], *, subscription: str = "", offset: int = 0) -> int:
        accepted = accept(messages, lambda aggregate: self._rules.kind_of(aggregate).lane)
        rows = [(m.key, m.aggregate, m.lane, m.id, m.type, m.body, m.meta) for m in accepted]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(7)]
        (taken,) = await self._database.write(TAKE, *columns, subscription, offset)
        self._enqueued(taken["waiting"])
        return int(taken["taken"])

    async def position(self, subscription: str) -> int:
        row = await self._database.row(queries.POSITION, subscription)
        return int(row[0]) if row else 0

    def waiting(self) -> int:
        if not self._open:
            raise UnavailableError(f"the store of {self.service} is not open")
        return self._pulse.waiting

    async def ask(self, message: Incoming, *, limit: float = 10.0) -> JSON:
        try:
            with self._pulse.answer(mended(message.id)) as answer:
                async with asyncio.timeout(limit):
                    await self.take([message])
                    return orjson.loads(await answer)
        except TimeoutError as error:
            raise UnavailableError(
                f"{message.type} {message.id} was not answered within {limit:g} s; it is kept and will be decided"
            ) from error

    # outbox
    async def outbox(self, *, limit: int = 500) -> list[Outbound]:
        rows = await self._leader.fetch(queries.OUTBOX, limit)
        return [
            Outbound(n, aggregate, topic, key, event_id, HeaderText(headers), body)
            for n, aggregate, topic, key, event_id, headers, body in rows
        ]

    async def sent(self, rows: Sequence[Outbound]) -> None:
        await self._leader.fetch(queries.SENT, [row.n for row in rows])

    async def park_key(self, topic: str, key: str, reason: str) -> None:
        await care.park_key(self._database, topic, key, reason)
        self._tell(Told(alarms=[("key_parked", {"topic": topic, "key": key, "reason": reason})]))

    async def unpark_key(self, topic: str, key: str) -> None:
        await care.unpark_key(self._database, topic, key)
        self._pulse.outbox.set()

    async def wait_outbox(self, limit: float) -> None:
        await wait(self._pulse.outbox, limit)

    async def lead(self) -> bool:
        return await self._leader.lead()

    # activities
    async def claim(self, *, limit: int, names: Collection[str]) -> list[Claimed]:
        self._enqueued(await activities.lose(self._database, self._rules))
        self._pulse.activities.hush(names)
        return await activities.claim(self._database, limit, names)

    async def renew(self, claimed: Claimed) -> bool:
        return await activities.renew(self._database, claimed)

    async def finish(self, claimed: Claimed, result: JSON) -> Literal["done", "late", "stale"]:
        outcome, waiting = await activities.finish(self._database, self._rules, claimed, result)
        self._enqueued(waiting)
        return outcome

    async def release(self, claimed: Claimed, *, delay: float) -> bool:
        return await activities.release(self._database, claimed, delay)

    async def wait_activities(self, limit: float, *, names: Collection[str]) -> None:
        await self._pulse.activities.wait(names, limit)

    # reads
    async def state(self, aggregate: str) -> JSON:
        row = await self._database.row(queries.STATE, mended(aggregate))
        return orjson.loads(row[0]) if row else None

    async def states(self, kind: str) -> dict[str, JSON]:
        rows = await self._database.fetch(queries.STATES, f"{kind}/", f"{kind}0")
        return {aggregate: orjson.loads(state) for aggregate, state in rows}

    async def rows(self, aggregate: str, prefix: str = "") -> dict[str, JSON]:
        rows = await self._database.fetch(queries.ROWS, mended(aggregate), mended(prefix))
        return {key: orjson.loads(value) for key, value in rows}

    async def select(self, statement: Executable) -> list[Mapping[str, Any]]:
        return await self._database.run(statement)

    async def execute(self, statement: Executable) -> list[Mapping[str, Any]]:
        return await self._database.run(statement)

    async def changes(self, after: int, *, limit: int = 500) -> list[tuple[int, str]]:
        return [(n, feed) for n, feed in await self._database.fetch(queries.CHANGES, after, limit)]

    async def last_change(self) -> int:
        return int((await self._database.row(queries.LAST_CHANGE))[0])

    # care
    async def dead(self, message_id: str | None = None) -> list[DeadMessage]:
        return await care.dead(self._database, message_id and mended(message_id))

    async def requeue(self, message_id: str) -> bool:
        found, waiting = await care.requeue(self._database, self._rules, mended(message_id))
        self._enqueued(waiting)
        return found

    async def audit(self, aggregate: str) -> list[AuditEntry]:
        rows = await self._database.fetch(queries.AUDIT, mended(aggregate))
        return [AuditEntry(aggregate, *row) for row in rows]

    async def retain(self) -> int:
        return await care.retain(self._database)

    def configure(self, config: Any, sha256: str) -> None:  # noqa: ANN401 -- frozen, of the service's own type
        self._rules = replace(self._rules, config=config, config_sha256=sha256)

    async def now(self) -> float:
        self._now = max(self._now, self._runner.now, (await self._database.row(queries.CLOCK))[0])
        return self._now

    def on_alarm(self, listener: Alarm) -> None:
        self._alarms.append(listener)
