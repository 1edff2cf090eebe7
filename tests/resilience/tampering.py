"""Changes in a service's database behind its back, as who has the database could make them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import asyncpg
import orjson

Edit = Callable[[dict[str, Any]], dict[str, Any]]


async def edit_state(location: str, aggregate: str, edit: Edit) -> None:
    """Replace the state of an aggregate of the executor, which must not run."""
    if location.startswith("postgresql://"):
        await _in_postgres(location, aggregate, edit)
    else:
        await asyncio.to_thread(_in_sqlite, location, aggregate, edit)


async def _in_postgres(url: str, aggregate: str, edit: Edit) -> None:
    connection = await asyncpg.connect(url)
    try:
        text = await connection.fetchval("select state from executor.aggregate where agg = $1", aggregate)
        changed = orjson.dumps(edit(orjson.loads(text))).decode()
        await connection.execute("update executor.aggregate set state = $2 where agg = $1", aggregate, changed)
    finally:
        await connection.close()


def _in_sqlite(path: str, aggregate: str, edit: Edit) -> None:
    with sqlite3.connect(path) as connection:
        (text,) = connection.execute("select state from aggregate where agg = ?", (aggregate,)).fetchone()
        changed = orjson.dumps(edit(orjson.loads(text))).decode()
        connection.execute("update aggregate set state = ? where agg = ?", (changed, aggregate))
    connection.close()
