"""The path of a model from end to end, with a model whose replies are stored: asked in every step, and told again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.replaying import Replayed, replay
from tests.support.signoff import Signoff

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
QUESTION = "Did the restart help?"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """An incident from its alert to its summary, with a second runbook for its cause, so that there is an order."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copytree(PROJECT / "runbooks", folder / "runbooks")
    first = folder / "runbooks/restart-leaking-service"
    shutil.copytree(first, folder / "runbooks/restart-again")
    second = folder / "runbooks/restart-again/runbook.yaml"
    second.write_text(second.read_text().replace("id: restart-leaking-service", "id: restart-leaking-service-again"))
    second.parent.rename(folder / "runbooks/restart-leaking-service-again")
    env = {
        "SIGNOFF_DIAGNOSER__ENGINE": "recorded",
        "SIGNOFF_DIAGNOSER__INVESTIGATE_EVERY": "3600",
        "SIGNOFF_DIAGNOSER__RUNBOOKS": str(folder / "runbooks"),
        "SIGNOFF_EXECUTOR__RUNBOOKS": str(folder / "runbooks"),
    }
    signoff = Signoff(folder / "data", env)
    signoff.up()
    try:
        found = replay(signoff)
        assert found.code == 0, found.told[-3:]
        yield found
    finally:
        signoff.stop()


@pytest.fixture(scope="module")
def answer(replayed: Replayed) -> dict[str, Any]:
    return dict(replayed.signoff.json("ask", QUESTION, "--incident", replayed.incident()["id"]))


def test_every_step_of_the_model_is_told_as_recorded_and_none_is_degraded(
    replayed: Replayed, answer: dict[str, Any]
) -> None:
    detail = replayed.detail()
    diagnosis, summary = detail["diagnosis"], detail["summary"]

    assert [told["engine"] for told in (diagnosis, answer, summary)] == ["recorded"] * 3
    assert [told["degraded"] for told in (diagnosis, answer, summary)] == [None] * 3
    assert diagnosis["degraded_steps"] == []
    assert [text.partition(":")[0] for text in diagnosis["model_steps"]] == ["classify", "recommend"]
    assert not [text for text in diagnosis["model_steps"] if "not asked" in text]
    assert len(detail["recommendations"]) == 2
    explained = replayed.signoff.run("incidents", "show", detail["incident"]["id"], "--explain").stdout
    assert "RECORDED engine" in explained
    assert "RECORDED, classify: it chose resource_leak, SEV2" in explained
    assert "RECORDED, recommend: it agrees with code" in explained


def test_all_that_a_model_said_is_told_again_and_comes_out_the_same(replayed: Replayed, answer: dict[str, Any]) -> None:
    incident = replayed.incident()["id"]

    again = replayed.signoff.json("incidents", "replay", incident)["investigations"]

    assert [(one["steps"], one["same"]) for one in again] == [
        (["classify", "recommend"], True),
        (["summarise"], True),
        (["answer"], True),
    ]
    assert answer["question_id"] in again[-1]["investigation"]


def test_another_catalogue_makes_a_replay_end_with_1_and_names_the_difference(
    replayed: Replayed, tmp_path: Path
) -> None:
    causes = tmp_path / "causes"
    shutil.copytree(PROJECT / "services/diagnoser/causes", causes)
    changed = causes / "resource_leak.yaml"
    changed.write_text(changed.read_text().replace("title:", "title: Perhaps", 1))
    incident = replayed.incident()["id"]

    done = replayed.signoff.run("incidents", "replay", incident, "--diff", "--causes", str(causes))

    assert done.returncode == 1
    assert f"{incident}-i1 (classify, recommend): differs now" in done.stdout
    assert "  result.catalogue_sha256: " in done.stdout
