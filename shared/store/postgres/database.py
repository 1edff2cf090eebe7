"""Connections: a pool that reconnects by itself, and what its errors mean to the store."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import ClauseElement, Executable
from sqlalchemy.dialects.postgresql import asyncpg as sqlalchemy_asyncpg

from shared.errors import ConfigurationError, UnavailableError
from shared.runtime.clock import monotonic
from shared.store.failpoints import reach
from shared.store.intake import mended

log = logging.getLogger("signoff.store")

POOL_MAX = 8
CONNECT_LIMIT, ACQUIRE_LIMIT, STATEMENT_LIMIT, CLOSE_LIMIT = 5.0, 5.0, 10.0, 5.0
"""Seconds."""
OPEN_LIMIT, OPEN_RETRY = 30.0, 0.5
"""Seconds that `open` waits for a database that does not answer, and between two tries."""
IDLE_IN_TRANSACTION = "10000"
"""Milliseconds after which the server ends a transaction that its client forgot: an open snapshot slows all claims."""

DIALECT = sqlalchemy_asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy declares the class without types

_REFUSED = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError, asyncpg.ProgramLimitExceededError)
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_WRONG = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ClientConfigurationError,
)


class FencedError(Exception):
    """A claim was lost meanwhile; the statement changed nothing."""


class NotStorableError(ValueError):
    """The database refuses these values for good, such as a record that breaks a constraint of its table."""


class Database:
    """The pool of one service's schema. Every call raises UnavailableError while the database is away."""

    def __init__(self, url: str, schema: str) -> None:
        self.url = url
        self.schema = schema
        address = urlsplit(url)
        self.address = f"{address.hostname or 'localhost'}:{address.port or 5432}{address.path}"
        self._pool: Any = None

    async def open(self, prepare: Callable[[Any], Awaitable[None]]) -> None:
        """Run `prepare` on a first connection, then open the pool.

        Waits a while for a database that does not answer, then raises UnavailableError; raises ConfigurationError at
        once for an address, password or permission that is wrong.
        """
        end = monotonic() + OPEN_LIMIT
        while True:
            try:
                await self._first(prepare)
            except UnavailableError as error:
                if monotonic() > end:
                    raise
                log.warning("the store of %s waits: %s", self.schema, error)
                await asyncio.sleep(OPEN_RETRY)
            else:
                return

    async def _first(self, prepare: Callable[[Any], Awaitable[None]]) -> None:
        with self.translated():
            try:
                connection = await self.connect({})
                try:
                    await prepare(connection)
                finally:
                    await _end(connection)
                self._pool = await asyncpg.create_pool(
                    self.url, min_size=1, max_size=POOL_MAX, reset=_keep, **self._options({})
                )
            except (*_WRONG, ValueError) as error:
                raise ConfigurationError(
                    f"cannot use the database {self.address} for {self.schema}: {error}; check [store] url"
                ) from error

    def _options(self, settings: Mapping[str, str]) -> dict[str, Any]:
        always = {
            "search_path": f'"{self.schema}"',
            "application_name": f"signoff-{self.schema}",
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
            # What a database or role sets for everybody: the statements are made for this, and time limits are ours.
            "default_transaction_isolation": "read committed",
            "statement_timeout": "0",
            "lock_timeout": "0",
        }
        return {
            "timeout": CONNECT_LIMIT,
            "command_timeout": STATEMENT_LIMIT,
            "server_settings": {**always, **settings},
        }

    async def connect(self, settings: Mapping[str, str]) -> Any:  # noqa: ANN401 -- asyncpg has no types
        """Return a connection outside the pool. Raises what asyncpg raises."""
        return await asyncpg.connect(self.url, **self._options(settings))

    async def close(self) -> None:
        """Close all connections. Idempotent, bounded."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                async with asyncio.timeout(CLOSE_LIMIT):
                    await pool.close()
            except _AWAY:
                pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise UnavailableError(f"the store of {self.schema} is not open")
        with self.translated():
            async with self._pool.acquire(timeout=ACQUIRE_LIMIT) as connection:
                yield connection

    async def fetch(self, sql: str, *parameters: Any) -> list[Any]:  # noqa: ANN401 -- values of any column
        """Run one statement in its own transaction and return its rows."""
        async with self._connection() as connection:
            return cast("list[Any]", await connection.fetch(sql, *parameters))

    async def write(self, sql: str, *parameters: Any) -> list[Any]:  # noqa: ANN401 -- values of any column
        """Run one statement that changes what callers are told of; its rows are durable when it returns."""
        with committing():
            return await self.fetch(sql, *parameters)

    async def row(self, sql: str, *parameters: Any) -> Any:  # noqa: ANN401 -- a row of any shape
        """Run one statement in its own transaction and return its first row, None without one."""
        rows = await self.fetch(sql, *parameters)
        return rows[0] if rows else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Give a connection in a transaction that commits at the end of the block."""
        with committing():
            async with self._connection() as connection, connection.transaction():
                yield connection

    async def run(self, statement: Executable) -> list[Mapping[str, Any]]:
        """Run a SQLAlchemy statement in its own transaction. Column types need no conversion, see `open_store`."""
        compiled = cast("ClauseElement", statement).compile(
            dialect=DIALECT, compile_kwargs={"render_postcompile": True}
        )
        names: Sequence[str] = cast("Any", compiled).positiontup or ()
        values = (compiled.params[name] for name in names)
        sound = (mended(value) if isinstance(value, str) else value for value in values)
        return [dict(row) for row in await self.fetch(str(compiled), *sound)]

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Tell apart: a fence that is gone, values that can never be stored, and trouble that passes."""
        try:
            yield
        except asyncpg.DivisionByZeroError as error:
            raise FencedError from error
        except _REFUSED as error:
            raise NotStorableError(f"{type(error).__name__}: {error}") from error
        except _AWAY as error:
            why = str(error) or type(error).__name__
            raise UnavailableError(f"the database {self.address} does not serve {self.schema} now: {why}") from error


@contextmanager
def committing() -> Iterator[None]:
    """Say where a process may end: before the commit inside the block, after it, and before anybody is told."""
    reach("store.before_commit")
    yield
    reach("store.after_commit")
    reach("store.before_reply")


def lock_number(schema: str, purpose: str) -> int:
    """Return the number of an advisory lock. The format is frozen: all replicas must agree."""
    digest = hashlib.sha256(f"signoff/{schema}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


async def _keep(_: Any) -> None:  # noqa: ANN401 -- asyncpg has no types
    """Reset nothing when a connection goes back: asyncpg's own reset is one more round trip for each statement."""


async def _end(connection: Any) -> None:  # noqa: ANN401 -- asyncpg has no types
    with suppress(*_AWAY):
        await connection.close(timeout=CLOSE_LIMIT)
