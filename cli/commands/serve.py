"""`signoff serve`."""

from __future__ import annotations

from typing import Literal

from cli.client import DATA, Data
from cli.importing import importing


def serve(
    name: Literal["ingest", "diagnoser", "executor", "notifier"],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    data: Data = DATA,
) -> int:
    """Run one service as a process of its own, on Kafka and PostgreSQL.

    Reads SIGNOFF_KAFKA__BOOTSTRAP_SERVERS and SIGNOFF_STORE__URL. Without them it uses the embedded bus and SQLite,
    which one process alone can own.
    """
    with importing():
        from cli.composition import run
        from cli.serve import PORTS, serve_one

    taken = PORTS[name] if port is None else port
    return run(lambda stop: serve_one(name, data=data, host=host, port=taken, stop=stop))
