"""`signoff dead-letters ...`."""

from __future__ import annotations

from urllib.parse import quote

from cli.client import DATA, Data, server
from cli.commands.incidents import Output
from cli.output import show as show_rows
from cli.output import write_json


def list_(*, data: Data = DATA, output: Output = "table") -> None:
    """List messages that could not be handled."""
    found = server(data).get("/api/dead-letters")
    show_rows(found, ("service", "message_id", "aggregate", "type", "reason"), output)


def show(service: str, message_id: str, *, data: Data = DATA) -> None:
    """Show one of them with its body.

    Parameters
    ----------
    service
        Which service could not handle it.
    message_id
        As `signoff dead-letters list` shows it.
    """
    write_json(server(data).get(_path(service, message_id)))


def requeue(service: str, message_id: str, *, data: Data = DATA) -> None:
    """Handle it again. Works while Kafka is away.

    Parameters
    ----------
    service
        Which service could not handle it.
    message_id
        As `signoff dead-letters list` shows it.
    """
    write_json(server(data).post(f"{_path(service, message_id)}/requeue"))


def parked(*, data: Data = DATA, output: Output = "table") -> None:
    """List keys of which nothing is sent any more, because something under them cannot be sent."""
    show_rows(server(data).get("/api/parked-keys"), ("service", "topic", "key", "reason"), output)


def release(service: str, topic: str, key: str, *, data: Data = DATA) -> None:
    """Send what waits under a parked key again; it is parked again if it still cannot be sent.

    Parameters
    ----------
    service
        Whose key it is.
    topic, key
        As `signoff dead-letters parked` shows them.
    """
    write_json(server(data).post(f"/api/parked-keys/{quote(service)}/release", {"topic": topic, "key": key}))


def _path(service: str, message_id: str) -> str:
    return f"/api/dead-letters/{quote(service)}/{quote(message_id)}"
