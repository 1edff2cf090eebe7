"""`signoff webhooks parse`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

from cli.commands.incidents import Output
from cli.output import show as show_rows
from shared.errors import NotFoundError
from shared.runtime.clock import utc_now


def parse(file: Path, *, source: Literal["datadog", "pagerduty", "generic"], output: Output = "table") -> None:
    """Show what ingest would make of a body; a `.jsonl` file holds one a line."""
    from services.ingest.app import PARSERS

    try:
        body = file.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{file}: {error.strerror}") from error
    bodies = [line for line in body.splitlines() if line.strip()] if file.suffix == ".jsonl" else [body]
    rows = [_row(message) for one in bodies for message in PARSERS[source](one, {}, utc_now())]
    show_rows(rows, ("result", "title", "status", "severity", "source_key", "why", "detail"), output)


def _row(message: Any) -> dict[str, Any]:  # noqa: ANN401 -- one of three plain values
    values = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    alert = values.pop("alert", None)
    return {"result": _words(type(message).__name__), **values, **(alert.model_dump(mode="json") if alert else {})}


def _words(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
