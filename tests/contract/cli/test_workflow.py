from __future__ import annotations

from pathlib import Path

import pytest

from cli.workflow import run_diagnosis, run_full_workflow
from shared.errors import NotFoundError, SignoffError
from shared.incident.enums import Stage
from tests.support.signoff import Signoff

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_diagnosis_is_a_function_that_needs_no_server() -> None:
    result = run_diagnosis("high_cpu")

    assert result.status == "diagnosed"
    assert result.findings
    assert all(finding.cites for finding in result.findings)


def test_a_scenario_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        run_diagnosis("no_such_scenario")


def test_a_whole_incident_is_a_function_on_a_running_server(shared: Signoff) -> None:
    incident = run_full_workflow("high_cpu", data=shared.data, speed=60.0)

    assert incident.stage is Stage.CLOSED
    assert incident.environment.startswith("sim:")


def test_without_a_server_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SignoffError, match="no Signoff is running"):
        run_full_workflow("high_cpu", data=tmp_path)
