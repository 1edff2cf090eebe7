"""The whole workflow as functions, for scripts and tests."""

from __future__ import annotations

from pathlib import Path

from cli.client import DATA
from cli.project import FIXTURES
from cli.replay import Approve, Replay, until_over
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
    code, details = until_over(Replay(scenario, data, approve, speed, wait=True, output="jsonl", patience=limit))
    if not details:
        raise UnavailableError(f"{scenario} opened no incident within {limit:g} s (exit code {code})")
    return Incident.model_validate(details[0]["incident"])
