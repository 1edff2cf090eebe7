"""The scale-out: four services and the world as processes of their own, on real Kafka and PostgreSQL."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.replaying import replay_until_asked
from tests.support.kafka import KafkaServer
from tests.support.provider import free_port
from tests.support.signoff import Signoff

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(420)]

SERVICES = ("ingest", "diagnoser", "executor", "notifier")


@pytest.fixture
def cluster(tmp_path: Path, kafka: KafkaServer, postgres_url: str) -> Iterator[Signoff]:
    """Five processes that share nothing but Kafka, PostgreSQL and the folder of generated secrets."""
    ports = {name: free_port() for name in (*SERVICES, "world")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    signoff = Signoff(
        tmp_path / "data",
        env={
            "SIGNOFF_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "SIGNOFF_KAFKA__TOPIC_PREFIX": f"t{uuid.uuid4().hex[:8]}.",
            "SIGNOFF_KAFKA__REPLICAS": "1",
            "SIGNOFF_STORE__URL": postgres_url,
            "SIGNOFF_NOTIFIER__BASE_URL": urls["notifier"],
            "SIGNOFF_MOCK__URL": urls["world"],
            **{f"SIGNOFF_SERVICES__{name.upper()}_URL": urls[name] for name in SERVICES if name != "notifier"},
        },
    )
    applied = signoff.run("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    for name in SERVICES:
        signoff.start(name, "serve", name, "--port", str(ports[name]))
    signoff.start("world", "world", "serve", "--port", str(ports["world"]))
    for name in (*SERVICES, "world"):
        signoff.wait_for(name, "is ready", limit=90)
    yield signoff
    signoff.stop()


def test_an_incident_goes_through_five_processes_and_is_approved_by_the_command(cluster: Signoff) -> None:
    asked = replay_until_asked(cluster)
    approved = cluster.run("approve", asked.incident()["id"], "--yes", "--reason", "memory grows since the deploy")
    assert approved.returncode == 0, approved.stderr
    asked.until_stage("closed", limit=150)
    detail = asked.detail()
    assert [one["outcome"] for one in detail["verifications"]] == ["passed"]
    assert float(detail["verifications"][0]["observed"][-1].split()[0]) < 70
    assert detail["summary"]["sentences"]
    assert [call["applied"] for call in asked.ledger()] == [True]
    account = json.loads(cluster.run("deliveries", "account").stdout)
    assert account["balanced"] is True, account


def test_services_killed_before_the_approval_finish_it_once_when_they_are_back(cluster: Signoff) -> None:
    asked = replay_until_asked(cluster)
    for name in ("diagnoser", "executor"):
        port = cluster.env[f"SIGNOFF_SERVICES__{name.upper()}_URL"].rpartition(":")[2]
        cluster.started[name].kill()
        cluster.started[name].wait()
        cluster.said_in(name).unlink()
        cluster.start(name, "serve", name, "--port", port)
    approved = cluster.run("approve", asked.incident()["id"], "--yes")
    assert approved.returncode == 0, approved.stderr
    asked.until_stage("closed", limit=180)
    assert len(asked.ledger()) == 1
