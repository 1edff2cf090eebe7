"""Data goes to standard output, as a table for people or as JSON; everything else to standard error."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import orjson

from shared.incident.visible import one_line, visible

PIPE_COLUMNS = 400
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z")
Format = Literal["table", "json", "jsonl"]


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], output: Format) -> None:
    """Print rows; the table has these columns, JSON has everything."""
    if output == "json":
        write_json(list(rows))
    elif output == "jsonl":
        for row in rows:
            write_line(row)
    else:
        _table(rows, columns)


def write_json(value: object) -> None:
    """Print one JSON value, indented."""
    sys.stdout.write(visible(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()) + "\n")


def write_line(value: object) -> None:
    """Print one JSON value on one line, at once."""
    sys.stdout.write(visible(orjson.dumps(value).decode()) + "\n")
    sys.stdout.flush()


def write_one(value: object, output: Format) -> None:
    """Print one JSON value: indented, or on one line."""
    (write_json if output == "json" else write_line)(value)


class Entries:
    """Entries that come one by one: as text or JSON lines at once, as one JSON array when all have come."""

    def __init__(self, output: Format, text: Callable[[Mapping[str, Any]], str]) -> None:
        self._output = output
        self._text = text
        self._kept: list[Mapping[str, Any]] = []

    def tell(self, entry: Mapping[str, Any]) -> None:
        """Print an entry, or keep it for the array."""
        if self._output == "table":
            write(self._text(entry))
        elif self._output == "jsonl":
            write_line(entry)
        else:
            self._kept.append(entry)

    def end(self) -> None:
        """Print the array if one was asked for."""
        if self._output == "json":
            write_json(self._kept)


def say(*lines: str) -> None:
    """Tell a person something that is not data, each text on one line; on a full disk nobody is told."""
    with suppress(OSError):
        sys.stderr.write(_text(lines))
        sys.stderr.flush()


def write(*lines: str) -> None:
    """Print data for people, each text on one line: senders wrote part of it, and must not write lines of ours."""
    sys.stdout.write(_text(lines))
    sys.stdout.flush()


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper().replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    # In a pipe a row is one line, for grep and cut.
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    console = Console(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    # Not by `write`: on a terminal the headings are bold, and the cells are visible already.
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().rstrip("\n").split("\n")))
    sys.stdout.flush()


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{one_line(line)}\n" for line in lines)


def moment(value: str) -> str:
    """Return an instant as people read it, to the second; any other text as it is."""
    found = _INSTANT.fullmatch(value)
    return f"{found[1]} {found[2]} UTC" if found else value


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        value = [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        return one_line(", ".join(map(str, value)))
    return "" if value is None else one_line(moment(str(value)))
