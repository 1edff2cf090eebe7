"""`signoff budget`: what asking the model has used, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.client import DATA, Data, server
from cli.commands.incidents import Output
from cli.output import show, write_one

COLUMNS = ("of", "what", "used", "left", "limit")


def budget(*, data: Data = DATA, output: Output = "table") -> None:
    """Show what asking the model has used and what is left: today, and for the latest incidents.

    What was asked before in the same words is not asked again; that is what was saved.
    """
    found = server(data).get("/api/budget")
    if output != "table":
        write_one(found, output)
        return
    rows = [*_rows(f"day {found['day']['id']}", found["day"])]
    rows += [
        {"of": "saved today", "what": name, "used": _number(amount), "left": "", "limit": ""}
        for name, amount in found["saved"].items()
        if amount
    ]
    for one in found["incidents"]:
        rows += _rows(one["id"], one)
    show(rows, COLUMNS, "table")


def _rows(of: str, account: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for name in account["used"]:
        yield {"of": of, "what": name, **{column: _number(account[column][name]) for column in COLUMNS[2:]}}


def _number(value: Any) -> str:  # noqa: ANN401 -- a JSON number, whole or not
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
