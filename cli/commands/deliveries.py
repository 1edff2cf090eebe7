"""`signoff deliveries ...`."""

from __future__ import annotations

from urllib.parse import quote

from cli.client import DATA, Data, server
from cli.commands.incidents import Output
from cli.errors import Exit
from cli.output import show as show_rows
from cli.output import write_one


def show(receipt: str, *, data: Data = DATA, output: Output = "table") -> None:
    """Show what became of a delivery.

    Parameters
    ----------
    receipt
        As in the answer to the webhook, header `Signoff-Receipt`.
    """
    found = server(data).get(f"/api/deliveries/{quote(receipt)}")
    if output == "table":
        rows = found if isinstance(found, list) else [found]
        show_rows(rows, ("receipt", "source", "received_at", "disposition", "reason", "incident_id"), "table")
    else:
        write_one(found, output)


def account(*, data: Data = DATA, output: Output = "json") -> int:
    """Show whether every accepted delivery is accounted for; exit 1 when one is not."""
    found = server(data).get("/api/deliveries/account")
    balanced = found["ingest"]["unaccounted"] == 0 and found["diagnoser"]["balanced"]
    if output == "table":
        rows = [
            {"service": name, "what": what, "count": count} for name in found for what, count in found[name].items()
        ]
        show_rows(rows, ("service", "what", "count"), "table")
    else:
        write_one({"balanced": balanced, **found}, output)
    return Exit.DONE if balanced else Exit.FAILED
