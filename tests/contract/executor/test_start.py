"""What keeps an executor from starting, told before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from services.executor import app as executor
from services.executor.settings import Settings
from shared.bus.embedded import EmbeddedBus
from shared.errors import AuthoredError, ConfigurationError
from shared.runtime.secrets import new_key, private_key, public_text
from shared.runtime.service import Service, Surroundings
from shared.store.factory import open_store
from tests.contract.executor.conftest import PROJECT, SERVICE_TOKEN

SHIPPED = PROJECT / "runbooks/restart-leaking-service"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the shipped runbook."""
    shutil.copytree(SHIPPED, tmp_path / "runbooks" / SHIPPED.name)
    return tmp_path


def built(project: Path, **changes: Any) -> Service:  # noqa: ANN401 -- settings
    settings = Settings.model_validate(
        {"trusted_keys": {"k": public_text(private_key(new_key()))}, "world": {"url": "http://world"}, **changes}
    )
    store = open_store(project / "e.db", service="executor", kinds=executor.kinds(settings), tables=executor.tables())
    surroundings = Surroundings(data=project, project=project, service_token=SERVICE_TOKEN, peers={})
    return executor.build_app(settings, EmbeddedBus(project / "bus.db"), store, surroundings)


def change(project: Path, old: str, new: str) -> None:
    path = project / "runbooks" / SHIPPED.name / "runbook.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_shipped_runbook_and_policy_are_right(project: Path) -> None:
    assert built(project).name == "executor"


@pytest.mark.parametrize(
    "old, new, told",
    [
        pytest.param("id: restart-leaking-service", "id: [", "runbook.yaml:5:12: expected ','", id="no YAML"),
        pytest.param("owner: platform", "ownr: x", "ownr: unknown key; did you mean 'owner'?", id="an unknown key"),
        pytest.param(
            "host/largest-process@v1",
            "host/biggest@v1",
            "gather 'process': no read verb 'host/biggest@v1'; there are host/largest-process@v1, metric/latest@v1",
            id="a read that does not exist",
        ),
        pytest.param(
            'with: { host: "${{ inputs.host }}" }',
            'with: { hots: "${{ inputs.host }}" }',
            "gather 'process': host/largest-process@v1 takes host, not hots",
            id="a read with wrong arguments",
        ),
        pytest.param(
            "target: ${{ inputs.host }}",
            "target: ${{ inputs.hots }}",
            "there is no 'inputs.hots' here; there are gather.memory, gather.process, inputs.host",
            id="a field that is not there",
        ),
        pytest.param(
            'host: "${{ inputs.host }}" }',
            'host: "${{ gather.memory.host }}" }',
            "there is no 'gather.memory.host' here; there are inputs.host",
            id="a field of a read that comes later",
        ),
        pytest.param("target: ${{ inputs.host }}", "target: ${{ inputs.host | x }}", "only a field", id="a filter"),
    ],
)
def test_a_wrong_runbook_is_told_at_once(project: Path, old: str, new: str, told: str) -> None:
    change(project, old, new)
    with pytest.raises(AuthoredError) as error:
        built(project)
    assert told in str(error.value)


def test_a_folder_of_runbooks_that_is_not_there_is_told(project: Path) -> None:
    with pytest.raises(AuthoredError, match="there is no such folder of runbooks"):
        built(project, runbooks=project / "none")


def test_a_policy_that_is_not_there_or_wrong_is_told_because_its_prohibitions_would_be_lost(project: Path) -> None:
    with pytest.raises(AuthoredError, match=r"policy\.yaml: cannot be read"):
        built(project, policy_file=project / "policy.yaml")
    (project / "policy.yaml").write_text("rules:\n  - name: x\n    policy: never\n")
    with pytest.raises(AuthoredError, match=r"policy\.yaml:3:5: rules\.0\.policy"):
        built(project, policy_file=project / "policy.yaml")


def test_without_a_key_to_trust_no_decision_could_count(project: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"executor\.trusted_keys is missing"):
        built(project, trusted_keys={})
    with pytest.raises(ConfigurationError, match="a trusted key is not base64 of 32 bytes"):
        built(project, trusted_keys={"k": "AAAA"})
