"""The schema of a service: created whole, migrated, or checked, by one replica at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.schema import CreateIndex, CreateTable

from shared.errors import ConfigurationError
from shared.store.migrations import migrate
from shared.store.postgres.database import DIALECT, Database, lock_number
from shared.store.schema import REVISION, store_tables

VERSION_MIN = 15
_COLUMNS = "select column_name from information_schema.columns where table_schema=$1 and table_name=$2"
_RELATIONS = "select c.relname from pg_class c join pg_namespace n on n.oid=c.relnamespace where n.nspname=$1"


async def prepare(connection: Any, database: Database, tables: Sequence[Table]) -> None:  # noqa: ANN401 -- asyncpg has no types
    """Bring the schema up to date; the caller closes the connection, which lets the next replica in.

    Raises ConfigurationError for a server that is too old and for tables that no migration can bring up to date.
    """
    version = connection.get_server_version()
    if version.major < VERSION_MIN:
        raise ConfigurationError(
            f"{database.address} is PostgreSQL {version.major}; Signoff needs {VERSION_MIN} or newer"
        )
    await connection.execute("select pg_advisory_lock($1)", lock_number(database.schema, "schema"), timeout=None)
    found = await _revision(connection, database.schema)
    if found is not None and found != REVISION:
        await asyncio.to_thread(migrate, database.url, database.schema, found)
    if found is None:
        async with connection.transaction():
            await _create_schema(connection, database.schema)
            await _create(connection, database.schema, [*store_tables(MetaData(), "postgresql").values(), *tables])
            await connection.execute("insert into alembic_version(version_num) values($1)", REVISION)
    else:
        # Not in one transaction: whoever holds the locks of two tables can be in a deadlock with a running replica.
        await _create(connection, database.schema, tables)
    for table in tables:
        there = {row[0] for row in await connection.fetch(_COLUMNS, database.schema, table.name)}
        missing = sorted(set(table.c.keys()) - there)
        if missing:
            raise ConfigurationError(
                f"table {table.name} of {database.schema} in {database.address} lacks {', '.join(missing)}:"
                " a migration is missing"
            )


async def _revision(connection: Any, schema: str) -> str | None:  # noqa: ANN401 -- asyncpg has no types
    if not await connection.fetch(_COLUMNS, schema, "alembic_version"):
        return None
    row = await connection.fetchrow("select version_num from alembic_version")
    return str(row[0]) if row else None


async def _create_schema(connection: Any, schema: str) -> None:  # noqa: ANN401 -- asyncpg has no types
    # `if not exists` would ask for the right to create one that an administrator has already made.
    if not await connection.fetch("select 1 from pg_namespace where nspname=$1", schema):
        await connection.execute(f'create schema "{schema}"')


async def _create(connection: Any, schema: str, tables: Sequence[Table]) -> None:  # noqa: ANN401 -- asyncpg has no types
    """Create what is not there. An index that `if not exists` finds would lock its table against all who write."""
    there = {row[0] for row in await connection.fetch(_RELATIONS, schema)}
    for table in tables:
        if table.name not in there:
            await connection.execute(str(CreateTable(table).compile(dialect=DIALECT)))
        for index in table.indexes:
            if index.name not in there:
                await connection.execute(str(CreateIndex(index).compile(dialect=DIALECT)))
