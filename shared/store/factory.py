"""Choose the database of a service by its location."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from shared.store import failpoints
from shared.store.model import Kind
from shared.store.port import Store


def open_store(
    location: str | Path,
    *,
    service: str,
    kinds: Sequence[Kind],
    tables: Sequence[Table] = (),
    config: Any = None,  # noqa: ANN401 -- each service hands in a frozen configuration of its own type
    config_sha256: str = "",
) -> Store:
    """Return the store of `service`; nothing happens before its `open()`.

    A path is the file of an SQLite database, `postgresql://...` a PostgreSQL database with a schema named after the
    service. `tables` are the service's own relational tables, reached by records, `select` and `execute`; their
    columns are Text, Integer, BigInteger, Double, Boolean or LargeBinary. Raises ConfigurationError when the
    environment arms a failpoint outside a test build.
    """
    given: dict[str, Any] = {
        "service": service,
        "kinds": kinds,
        "tables": tables,
        "config": config,
        "config_sha256": config_sha256,
    }
    failpoints.arm_from_process()
    if str(location).startswith(("postgresql://", "postgres://")):
        from shared.store.postgres.store import PostgresStore  # noqa: PLC0415 -- asyncpg is not loaded by `up`

        return PostgresStore(str(location), **given)
    from shared.store.sqlite.store import SQLiteStore  # noqa: PLC0415 -- nor sqlite by a PostgreSQL replica

    return SQLiteStore(Path(location), **given)
