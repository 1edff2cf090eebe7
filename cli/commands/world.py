"""`signoff world ...`: look into the simulated world, or run it alone."""

from __future__ import annotations

from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

from cli.client import DATA, Data, world
from cli.commands.incidents import Output
from cli.output import show as show_rows
from cli.output import write, write_one
from shared.errors import NotFoundError


def ledger(run: str = "", *, data: Data = DATA, output: Output = "table") -> None:
    """List the calls that reached the world in a run.

    Parameters
    ----------
    run
        Default: the newest run.
    """
    show_rows(_of_run(data, run, "ledger"), ("at", "call", "target", "applied", "detail"), output)


def state(run: str = "", *, data: Data = DATA, output: Output = "table") -> None:
    """Show the pressures and monitors of a run.

    Parameters
    ----------
    run
        Default: the newest run.
    """
    found: dict[str, Any] = _of_run(data, run, "state")
    if output != "table":
        write_one(found, output)
        return
    write(f"{found['run']}  minute {found['minute']:g}, {found['speed']:g} times as fast as life")
    pressures = [{"pressure": name, "value": value} for name, value in found["pressures"].items()]
    show_rows(pressures, ("pressure", "value"), "table")
    show_rows(found["monitors"], ("id", "entity", "metric", "mean", "firing", "title"), "table")


def slack(run: str = "", *, data: Data = DATA, output: Output = "table") -> None:
    """Show the messages of the simulated channel.

    Parameters
    ----------
    run
        Default: the newest run.
    """
    posts: list[dict[str, Any]] = _of_run(data, run, "slack")
    if output == "table":
        for post in posts:
            write(*lines(post), "")
    else:
        show_rows(posts, (), output)


def lines(post: Mapping[str, Any]) -> list[str]:
    """Return a post as people see it in the channel, where `&lt;` is a `<`."""
    fields = (f"  {name}: {value}" for name, value in post["fields"].items())
    thread = (f"    {line}" for line in post["thread"])
    return [unescape(line) for line in (post["text"], *fields, f"  {post['link']}", *thread)]


def serve(*, port: int | None = None, data: Data = DATA) -> int:
    """Run the world alone, for services that run as processes of their own.

    Parameters
    ----------
    port
        Default: the port of SIGNOFF_MOCK__URL, else 8705.
    """
    from cli.composition import run
    from cli.serve import serve_world

    return run(lambda stop: serve_world(data, port, stop))


def _of_run(data: Path, run: str, what: str) -> Any:  # noqa: ANN401 -- any JSON value
    client = world(data)
    if not run:
        runs = client.get("/runs")
        if not runs:
            raise NotFoundError("the world has no run yet; start one with `signoff replay high_cpu`")
        run = str(runs[0]["run"])
    return client.get(f"/runs/{run.removeprefix('sim:')}/{what}")
