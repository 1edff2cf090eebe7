"""`signoff world ...`: look into the simulated world, or run it alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from cli.client import DATA, Client, world
from cli.commands.incidents import Output
from cli.output import show as show_rows
from cli.output import write_json
from shared.errors import NotFoundError


def _run(client: Client, run: str) -> str:
    if run:
        return run
    runs = client.get("/runs")
    if not runs:
        raise NotFoundError("the world has no run yet; start one with `signoff replay high_cpu`")
    return str(runs[0]["run"])


def ledger(run: str = "", *, data: Path = DATA, output: Output = "table") -> None:
    """List the calls that reached the world in a run (default: the newest run)."""
    client = world(data)
    rows: list[dict[str, Any]] = client.get(f"/runs/{_run(client, run)}/ledger")
    show_rows(rows, ("at", "call", "target", "applied", "detail"), output)


def state(run: str = "", *, data: Path = DATA) -> None:
    """Show the pressures and monitors of a run."""
    client = world(data)
    write_json(client.get(f"/runs/{_run(client, run)}/state"))


def slack(run: str = "", *, data: Path = DATA) -> None:
    """Show the messages of the simulated channel."""
    client = world(data)
    write_json(client.get(f"/runs/{_run(client, run)}/slack"))


def serve(*, port: int = 8705, data: Path = DATA) -> None:
    """Run the world alone, for services that run as processes of their own."""
    from cli.serve import serve_world

    asyncio.run(serve_world(data, port))
