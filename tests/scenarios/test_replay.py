"""The whole loop in one process: webhook in, verified fix and summary out."""

from __future__ import annotations

import json

import pytest

from cli.errors import Exit
from tests.scenarios.replaying import replay, replay_until_asked
from tests.support.signoff import Signoff, until

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("via", ["webhook", pytest.param("topic", marks=pytest.mark.slow)])
def test_an_approved_fix_runs_once_is_verified_and_summed_up(shared: Signoff, via: str) -> None:
    replayed = replay(shared, "--via", via)
    assert replayed.code == 0, replayed.said
    detail = replayed.detail()
    assert detail["incident"]["stage"] == "closed"
    assert detail["diagnosis"]["causes"][0]["cause"] == "resource_leak.memory_after_deploy"
    assert [one["outcome"] for one in detail["verifications"]] == ["passed"]
    assert {entry["type"] for entry in replayed.told} >= {
        "alert.received",
        "incident.opened",
        "evidence.gathered",
        "diagnosis.concluded",
        "approval.requested",
        "step.succeeded",
        "verification.passed",
    }
    story = {entry["id"] for entry in detail["timeline"]}
    assert detail["summary"]["sentences"]
    assert all(set(sentence["cites"]) <= story for sentence in detail["summary"]["sentences"])
    assert [(call["call"], call["applied"]) for call in replayed.ledger()] == [("host/restart-process@v1", True)]
    for alert in detail["alerts"]:
        shown = shared.json("deliveries", "show", alert["message_id"])
        assert shown["disposition"] in ("new_incident", "attached")
        assert shown["incident_id"] == detail["incident"]["id"]
    account = json.loads(shared.run("deliveries", "account").stdout)
    assert account["balanced"] is True, account
    again = shared.run("incidents", "replay", detail["incident"]["id"], "--diff")
    assert (again.returncode, again.stdout.count("byte for byte")) == (0, len(again.stdout.splitlines())), again.stdout


def test_a_rejected_plan_never_runs(shared: Signoff) -> None:
    asked = replay_until_asked(shared)
    assert asked.ledger() == []
    done = shared.run("reject", asked.incident()["id"], "--reason", "a backup is running")
    assert done.returncode == 0, done.stderr
    detail = asked.detail()
    assert detail["incident"]["stage"] == "rejected"
    assert any("a backup is running" in entry["text"] for entry in detail["timeline"])
    assert asked.ledger() == []


@pytest.mark.crash
def test_a_freeze_holds_an_approved_plan_back_until_it_ends(signoff: Signoff) -> None:
    signoff.up()
    asked = replay_until_asked(signoff)
    frozen = signoff.run("freeze", "--reason", "change stop")
    assert (frozen.returncode, "live: sample_person: SAMPLE" in frozen.stderr) == (Exit.REFUSED, True), frozen.stderr
    assert json.loads(frozen.stdout)["environments"][asked.environment]["frozen"] is True
    approved = signoff.run("approve", asked.incident()["id"], "--yes")
    assert approved.returncode == 0, approved.stderr
    assert asked.ledger() == []
    assert signoff.run("freeze", "--off").returncode == Exit.REFUSED
    until(lambda: bool(asked.ledger()) or None, limit=60, what="the call after the freeze")


@pytest.mark.crash
def test_a_killed_process_goes_on_where_it_was(signoff: Signoff) -> None:
    signoff.up()
    asked = replay_until_asked(signoff)
    signoff.started["up"].kill()
    signoff.started["up"].wait()
    signoff.said_in("up").unlink()
    signoff.up()
    approved = signoff.run("approve", asked.incident()["id"], "--yes")
    assert approved.returncode == 0, approved.stderr
    asked.until_stage("closed")
    assert len(asked.ledger()) == 1
