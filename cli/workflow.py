"""The whole workflow as functions, for scripts and tests."""

from __future__ import annotations

from pathlib import Path

from cli.client import DATA, server
from cli.project import FIXTURES
from cli.replay import Approve, Follower, Replay, begin
from shared.errors import UnavailableError
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.incident import Incident


def run_diagnosis(scenario: str, *, minutes: float = 5.0) -> DiagnosticResult:
    """Return what the offline engine says of a scenario's world `minutes` after its first alert. Needs no server.

    Raises NotFoundError for an unknown scenario.
    """
    from cli.diagnosis import diagnose_case
    from simulation.case import case_of
    from simulation.scenario import load_scenario

    return diagnose_case(case_of(load_scenario(FIXTURES, scenario), minutes=minutes))


def run_full_workflow(
    scenario: str, *, data: Path = DATA, approve: Approve = "auto", speed: float = 30.0, limit: float = 600.0
) -> Incident:
    """Replay a scenario on the running server and return the incident once it is over.

    Raises UnavailableError when nothing runs or the incident is not over within `limit` seconds.
    """
    import time

    replay = Replay(scenario, data, approve, speed, wait=True, output="jsonl")
    follower = Follower(replay, begin(replay), server(data))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        details = follower.look()
        if follower.verdict(details) is not None:
            return Incident.model_validate(details[0]["incident"])
        time.sleep(0.3)
    raise UnavailableError(f"the incident of {scenario} is not over after {limit:g} s")
