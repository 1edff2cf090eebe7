"""Readers beside the writer: a read fetches all and ends, so that the write-ahead log can shrink."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Executable, create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from shared.errors import UnavailableError
from shared.store.sqlite.database import connect

THREADS = 2
"""Threads of one store, each with a connection of its own."""

Value = TypeVar("Value")


class Readers:
    """Runs reads; each sees everything that was committed before it began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._closed = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"read-{path.stem}")

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        return await self._run(lambda: self._connection().execute(sql, parameters).fetchall())

    async def select(self, statement: Executable) -> list[Mapping[str, Any]]:
        """Return all rows of a SQLAlchemy select."""
        return await self._run(lambda: run_statement(self._engine(), statement))

    async def _run(self, read: Callable[[], list[Value]]) -> list[Value]:
        if self._closed:
            raise UnavailableError(f"{self._path} is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, read)
        except (sqlite3.OperationalError, OperationalError) as error:
            raise UnavailableError(f"{self._path} cannot be read now: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            self._local.connection = connect(self._path, read_only=True)
            self._open.append(self._local.connection)
        connection: sqlite3.Connection = self._local.connection
        return connection

    def _engine(self) -> Engine:
        if not hasattr(self._local, "engine"):
            self._local.engine = engine_on(self._connection())
        engine: Engine = self._local.engine
        return engine

    def close(self) -> None:
        """Finish the reads in hand and take no more."""
        self._closed = True
        self._threads.shutdown()
        for connection in self._open:
            connection.close()


def engine_on(connection: sqlite3.Connection) -> Engine:
    """Return a SQLAlchemy engine that runs everything on one open connection, each statement in its own transaction."""
    return create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)


def run_statement(engine: Engine, statement: Executable) -> list[Mapping[str, Any]]:
    """Run a statement and return all rows it gives, as mappings."""
    with engine.connect() as connection:
        result = connection.execute(statement)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []
