"""A model that makes things up, refuses, dawdles or costs too much: the answer of code stands, marked, and is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.scenarios.replaying import replay
from tests.support.signoff import Signoff

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
REPLIES = PROJECT / "fixtures/replies/broken"
TRUTH = json.loads((PROJECT / "fixtures/high_cpu/expected.json").read_text())
MADE_UP = ("db-of-nobody", "4242", "kubectl", "evil.example", "delete-everything", "human_error")
"""What stands in the replies of the hostile model, and nowhere else."""
TOLD = ("bus.db", "executor.db", "notifier.db")
"""Where all lies that anybody is told; the diagnoser keeps beside it what a model said."""


@pytest.mark.parametrize(
    "reply,degraded",
    [
        pytest.param("hostile", "gate", id="it makes things up and wants them run"),
        pytest.param("malformed", "gate", id="it says nothing that can be read", marks=pytest.mark.nightly),
        pytest.param("refusing", "refusal", id="it refuses", marks=pytest.mark.nightly),
        pytest.param("slow", "timeout", id="it takes too long", marks=pytest.mark.nightly),
        pytest.param("over_budget", "budget", id="it costs too much", marks=pytest.mark.nightly),
    ],
)
def test_a_broken_model_leaves_the_answer_of_code_marked_and_its_runbook_run_once(
    tmp_path: Path, reply: str, degraded: str
) -> None:
    env = {"SIGNOFF_DIAGNOSER__ENGINE": "recorded", "SIGNOFF_DIAGNOSER__MODEL__REPLIES": str(REPLIES / f"{reply}.json")}
    signoff = Signoff(tmp_path / "data", env)
    signoff.up()
    try:
        replayed = replay(signoff)
        assert replayed.code == 0, replayed.told[-3:]
        detail, calls, posted = replayed.detail(), replayed.ledger(), json.dumps(replayed.slack())
        explained = signoff.run("incidents", "show", detail["incident"]["id"], "--explain").stdout
    finally:
        signoff.stop()

    diagnosis = detail["diagnosis"]
    assert diagnosis["degraded"].startswith(degraded)
    assert f"RECORDED engine, degraded: {degraded}" in explained
    assert (diagnosis["causes"][0]["entity"], diagnosis["causes"][0]["cause"]) == (
        TRUTH["root_entities"][0],
        TRUTH["cause"],
    )
    assert len(calls) == 1
    shown = "\n".join([json.dumps(detail), json.dumps(replayed.told), explained, posted, signoff.said("up")])
    kept = b"".join(path.read_bytes() for name in TOLD for path in signoff.data.glob(f"{name}*"))
    assert posted != "[]"
    assert [name for name in MADE_UP if name in shown or name.encode() in kept] == []
