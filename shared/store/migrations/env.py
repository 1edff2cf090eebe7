"""Alembic's entry: connect to the address that `__main__` read, in the service's schema."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

URL: str = context.config.attributes["url"]
SCHEMA: str = context.config.attributes["schema"]


def run(connection: Connection) -> None:
    """Run the migrations in one transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f'set search_path to "{SCHEMA}"'))
        connection.commit()
    context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


async def run_on_postgres() -> None:
    """Run the migrations through asyncpg, the only PostgreSQL driver there is."""
    engine = create_async_engine(
        URL.replace("postgres://", "postgresql://").replace("postgresql://", "postgresql+asyncpg://")
    )
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


if URL.startswith("sqlite"):
    with create_engine(URL).connect() as sqlite_connection:
        run(sqlite_connection)
else:
    asyncio.run(run_on_postgres())
