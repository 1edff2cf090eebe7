"""`signoff webhooks parse`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from cli.commands.incidents import Output
from cli.output import show as show_rows
from shared.errors import NotFoundError
from shared.runtime.clock import wall

_OF_A_REAL_ONE = ("receipt", "message_id", "mac", "raw", "raw_truncated")
"""Fields that only a delivery has."""


def parse(file: Path, *, source: Literal["datadog", "pagerduty", "generic"], output: Output = "table") -> None:
    """Show what ingest would make of a body; a `.jsonl` file holds one a line."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{file}: {error.strerror}") from error
    bodies = [line for line in body.splitlines() if line.strip()] if file.suffix == ".jsonl" else [body]
    rows = [row for one in bodies for row in _rows(source, one)]
    show_rows(rows, ("event", "title", "status", "severity", "source_key", "why", "detail"), output)


def _rows(source: str, body: bytes) -> list[dict[str, Any]]:
    from services.ingest.app import PARSERS
    from services.ingest.handlers.accept import Accepted, accept
    from services.ingest.handlers.redacting import AlertRedactor
    from shared.events.envelope import read_headers

    accepted = Accepted(source, "sim:parse", {}, body, wall(), len(body))
    rows = []
    for record in accept(accepted, PARSERS[source], b"", bytes(10), AlertRedactor()).records:
        event = json.loads(record.body)
        alert = event.pop("alert", {})
        told = {name: value for name, value in event.items() if name not in _OF_A_REAL_ONE}
        rows.append({"event": read_headers(record.headers).type, **told, **alert})
    return rows
