"""`signoff replay`."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from cli.client import DATA, Data
from cli.commands.incidents import Output
from cli.errors import Exit, HintedError
from cli.project import FIXTURES


def replay(
    scenario: str | None = None,
    *,
    via: Literal["webhook", "topic"] = "webhook",
    approve: Literal["ask", "auto", "never"] = "ask",
    speed: float = 10.0,
    wait: Annotated[bool, Parameter(negative=())] = False,
    data: Data = DATA,
    output: Output = "table",
) -> int:
    """Replay a scenario of the simulated world; without one, list them.

    Exits 0 when the incident was verified and closed, or when it asks and you do not wait; 6 when nothing goes on
    without a person, 1 when verification failed, 5 when ingest refuses its webhooks, 4 when it takes none for a minute.

    Parameters
    ----------
    via
        Through the webhook endpoint with real signatures, or straight to the topic.
    approve
        Print the link and wait for a person; approve as the sample approver; or never.
    speed
        Data seconds per second. Approvals, leases and limits stay in real time.
    wait
        Stay until the incident is closed.
    """
    from simulation.scenario import load_scenario, scenario_names

    if scenario is None:
        from cli.output import show

        found = [load_scenario(FIXTURES, name) for name in scenario_names(FIXTURES)]
        show([{"scenario": s.name, "story": s.title} for s in found], ("scenario", "story"), output)
        return 0
    load_scenario(FIXTURES, scenario)
    from simulation.driver import SPEED_MAX

    if not 0 < speed <= SPEED_MAX:  # So is NaN refused, which JSON could not carry.
        raise HintedError(f"speed {speed:g} is not between 0 and {SPEED_MAX:g}", Exit.USAGE)
    from cli.replay import Replay, follow

    return follow(Replay(scenario, data, approve, speed, wait, via, output))
