"""The one relay leader of a database: who holds the advisory lock, on a connection of its own.

The server ends that connection when its client stops answering: `idle_session_timeout` when it is idle,
`tcp_user_timeout` when a result cannot be delivered. With it go the lock and the right to read and delete there. A
leader that was only paused may send rows again; they keep their ids, and the first of each stays in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import asyncpg

from shared.errors import UnavailableError
from shared.runtime.clock import monotonic
from shared.runtime.tasks import begin_task
from shared.store.postgres.database import Database, lock_number

SETTINGS = {"idle_session_timeout": "3000", "tcp_user_timeout": "4000"}
"""Milliseconds."""
BEAT = 1.0
"""Seconds between two signs of life on the connection."""
INTEREST = 15.0
"""Seconds after the relay's last call for which it may still be sending; then nobody keeps the lead for it."""
STATEMENT_LIMIT = 10.0


class Leader:
    """Holds or seeks the lead of one schema."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self._leads = False
        self._lost = False
        self._turn = asyncio.Lock()
        self._asked = self._heard = 0.0
        self._beating: asyncio.Task[None] | None = None

    async def lead(self) -> bool:
        """Become or stay the leader; False while another process is."""
        self._asked = monotonic()
        async with self._turn:
            self._lost = False
            if self._leads and not self._connection.is_closed() and self._asked - self._heard < BEAT:
                return True
            self._leads = await self._seek()
            if self._leads and (self._beating is None or self._beating.done()):
                self._beating = begin_task(self._beat())
            return self._leads

    async def fetch(self, sql: str, *parameters: Any) -> list[Any]:  # noqa: ANN401 -- values of any column
        """Run a statement with the right of the leader.

        A process that does not want to lead reads through the pool. One that was the leader and lost the lead is told
        so by UnavailableError until it asks for the lead again.
        """
        self._asked = monotonic()
        if self._lost:
            raise UnavailableError(f"another process may relay for {self._database.schema} now")
        if not self._leads:
            return await self._database.fetch(sql, *parameters)
        async with self._turn, self._losing():
            if self._connection is None:
                raise UnavailableError(f"the lead of {self._database.schema} was lost just now")
            return cast("list[Any]", await self._connection.fetch(sql, *parameters))

    async def close(self) -> None:
        """Give the lead back. Idempotent."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
            self._beating = None
        async with self._turn:
            self._leads = False
            if self._connection is not None:
                connection, self._connection = self._connection, None
                await _end(connection)

    async def _seek(self) -> bool:
        async with self._losing():
            if self._connection is None:
                self._connection = await self._database.connect(SETTINGS)
                self._leads = False
            number = lock_number(self._database.schema, "relay")
            held = "select true" if self._leads else f"select pg_try_advisory_lock({number})"
            return bool(await self._connection.fetchval(held, timeout=STATEMENT_LIMIT))

    async def _beat(self) -> None:
        while self._leads and monotonic() - self._asked < INTEREST:
            await asyncio.sleep(BEAT)
            with suppress(UnavailableError):
                async with self._turn:
                    if self._leads:
                        async with self._losing():
                            await self._connection.fetchval("select true", timeout=STATEMENT_LIMIT)

    @asynccontextmanager
    async def _losing(self) -> AsyncIterator[None]:
        """Lose the lead with the connection."""
        try:
            with self._database.translated():
                yield
        except UnavailableError:
            self._lost, self._leads = self._leads, False
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            raise
        else:
            self._heard = monotonic()


async def _end(connection: Any) -> None:  # noqa: ANN401 -- asyncpg has no types
    """Release the lock before the connection goes, so that the next leader need not wait for the server to notice."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute("select pg_advisory_unlock_all()", timeout=1.0)
        await connection.close(timeout=1.0)
