"""`signoff dead-letters ...`."""

from __future__ import annotations

from pathlib import Path

from cli.client import DATA, server
from cli.commands.incidents import Output
from cli.output import show as show_rows
from cli.output import write_json


def list_(*, data: Path = DATA, output: Output = "table") -> None:
    """List messages that could not be handled."""
    found = server(data).get("/api/dead-letters")
    show_rows(found, ("service", "message_id", "aggregate", "type", "reason"), output)


def show(service: str, message_id: str, *, data: Path = DATA) -> None:
    """Show one of them with its body."""
    write_json(server(data).get(f"/api/dead-letters/{service}/{message_id}"))


def requeue(service: str, message_id: str, *, data: Path = DATA) -> None:
    """Handle it again."""
    write_json(server(data).post(f"/api/dead-letters/{service}/{message_id}/requeue"))
