"""The file: connections, tables and migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, MetaData, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from shared.errors import ConfigurationError
from shared.store.migrations import migrate
from shared.store.schema import REVISION, store_tables

BUSY_MS = 5_000
CACHE_KIB = 8_000
"""Of the writer: the rows of a storm lie all over the file, and SQLite's own 2 MB would read them again and again."""
CHECKPOINT_PAGES = 4_000
"""Of the write-ahead log, between two moves into the file: a page that many commits change is moved once (16 MB)."""
DIALECT = sqlite.dialect(paramstyle="qmark")


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection without implicit transactions. A commit is on the disk before it returns."""
    path.touch(mode=0o600, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(f"pragma busy_timeout={BUSY_MS}")
    if read_only:
        connection.execute("pragma query_only=on")
    else:
        connection.execute(f"pragma cache_size=-{CACHE_KIB}")
        connection.execute(f"pragma wal_autocheckpoint={CHECKPOINT_PAGES}")
    return connection


def prepare(path: Path, service: str, tables: Sequence[Table]) -> sqlite3.Connection:
    """Create, migrate or check the database and return the writer's connection. Raises ConfigurationError."""
    try:
        connection = connect(path)
        found = _revision(connection)
        if found is None:
            own = store_tables(MetaData(), "sqlite").values()
            _create(connection, [*own, *tables], stamp=True)
            return connection
        if found != REVISION:
            address = URL.create("sqlite", database=str(path.absolute()))
            migrate(address.render_as_string(hide_password=False), service, found)
        _create(connection, tables, stamp=False)
        _check(connection, path, tables)
    except sqlite3.Error as error:
        raise ConfigurationError(
            f"cannot open {path}: {error}; is it a database of Signoff, on a local disk?"
        ) from error
    return connection


def _revision(connection: sqlite3.Connection) -> str | None:
    if not connection.execute("select 1 from sqlite_master where name='alembic_version'").fetchone():
        return None
    row = connection.execute("select version_num from alembic_version").fetchone()
    return str(row[0]) if row else None


def _create(connection: sqlite3.Connection, tables: Sequence[Table], *, stamp: bool) -> None:
    connection.execute("begin immediate")
    for table in tables:
        connection.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=DIALECT)))
        for index in table.indexes:
            connection.execute(str(CreateIndex(index, if_not_exists=True).compile(dialect=DIALECT)))
    if stamp:
        connection.execute("insert into alembic_version(version_num) values(?)", (REVISION,))
    connection.execute("commit")


def _check(connection: sqlite3.Connection, path: Path, tables: Sequence[Table]) -> None:
    """A table of an older version would make every commit fail; better to refuse to start."""
    for table in tables:
        there = {row[1] for row in connection.execute(f'pragma table_info("{table.name}")')}
        missing = sorted(set(table.c.keys()) - there)
        if missing:
            raise ConfigurationError(f"table {table.name} of {path} lacks {', '.join(missing)}: a migration is missing")
