"""`signoff silence ...`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from cli.client import DATA, Data, server
from cli.commands.incidents import Output
from cli.errors import Exit, HintedError
from cli.output import show as show_rows
from cli.output import write_json
from shared.errors import NotFoundError


def add(
    matchers: Annotated[list[str], Parameter(negative=())], *, minutes: int = 60, reason: str, data: Data = DATA
) -> None:
    """Suppress alerts that match all of `key=value`; they are kept, counted and shown.

    Parameters
    ----------
    matchers
        Such as `service=storefront host=web-3`; a key is service, host, source, title or a label.
    """
    wrong = [matcher for matcher in matchers if "=" not in matcher]
    if wrong:
        raise HintedError(f"{wrong[0]!r} is no matcher", Exit.USAGE, ("write", "key=value, such as service=web"))
    pairs = dict(matcher.split("=", 1) for matcher in matchers)
    body = {"matchers": pairs, "minutes": minutes, "reason": reason}
    write_json(server(data).post("/api/silences", body))


def list_(*, data: Data = DATA, output: Output = "table") -> None:
    """List silences that are in force."""
    show_rows(server(data).get("/api/silences"), ("id", "matchers", "ends_at", "author", "reason"), output)


def end(silence: str, *, data: Data = DATA) -> None:
    """End a silence now."""
    client = server(data)
    known = {one["id"]: one for one in client.get("/api/silences")}
    if silence not in known:
        raise NotFoundError(f"no silence {silence!r} is in force; there are: {', '.join(known) or 'none'}")
    write_json(client.post(f"/api/silences/{silence}/end", {"environment": known[silence]["environment"]}))
