from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

import orjson

from simulation.scenario import load_scenario
from simulation.webhooks import Moment, webhook

SCENARIO = load_scenario(Path(__file__).parents[3] / "fixtures", "high_cpu")
DATADOG, PAGERDUTY = SCENARIO.monitors
FIRES = Moment(run="r1", at=1_764_000_000.0, value=93.2, cycle=1, fires=True)


def test_a_pagerduty_request_is_signed_over_its_bytes() -> None:
    request = webhook(PAGERDUTY, FIRES, "secret")
    expected = hmac.new(b"secret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-PagerDuty-Signature"] == f"v1={expected}"


def test_the_recovery_of_a_cycle_shares_its_keys_and_no_delivery_key() -> None:
    bodies = [orjson.loads(webhook(DATADOG, replace(FIRES, fires=fires), "s").body) for fires in (True, False)]
    assert bodies[0]["alert_cycle_key"] == bodies[1]["alert_cycle_key"]
    assert bodies[0]["id"] != bodies[1]["id"]
    assert [body["alert_transition"] for body in bodies] == ["Triggered", "Recovered"]


def test_another_cycle_is_another_incident_of_the_vendor() -> None:
    first, second = (orjson.loads(webhook(PAGERDUTY, replace(FIRES, cycle=n), "s").body) for n in (1, 2))
    assert first["event"]["data"]["id"] != second["event"]["data"]["id"]


def test_every_attempt_sends_the_same_bytes() -> None:
    assert webhook(DATADOG, FIRES, "s") == webhook(DATADOG, FIRES, "s")


def test_each_request_names_its_run() -> None:
    assert {webhook(monitor, FIRES, "s").headers["Signoff-Run"] for monitor in SCENARIO.monitors} == {"r1"}
