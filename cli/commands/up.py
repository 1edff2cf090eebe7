"""`signoff up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cli.client import DATA
from cli.importing import importing

Flag = Annotated[bool, Parameter(negative=())]


def up(
    *, port: int = 8700, webhook_port: int = 8701, any_port: Flag = False, data: Path = DATA, replay: str | None = None
) -> int:
    """Start Signoff in one process: four services, the simulated world, an embedded bus, SQLite.

    Parameters
    ----------
    port
        Console, approvals and API; loopback only.
    webhook_port
        Where Datadog and PagerDuty send; may be exposed through a tunnel.
    any_port
        Take free ports when these are in use.
    data
        Where everything is kept, generated secrets included.
    replay
        A scenario to replay once everything is up.
    """
    with importing():
        from cli.composition import run
        from cli.up import Ports, run_up

    if replay is not None:
        from cli.project import FIXTURES
        from simulation.scenario import load_scenario

        load_scenario(FIXTURES, replay)
    return run(lambda stop: run_up(data, Ports(port, webhook_port, any_port), stop, replay=replay))
