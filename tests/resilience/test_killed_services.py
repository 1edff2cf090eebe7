"""The scale-out under kills: each service, as a process of its own, ends at each failpoint that it can reach."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.store import failpoints
from tests.resilience.checker import Remains, check, of_database, told
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.resilience.test_killed_replays import DONE
from tests.support.kafka import KafkaServer
from tests.support.provider import free_port
from tests.support.signoff import Signoff, until

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(3600)]

EVERYWHERE = {
    "bus.before_append": 3,
    "bus.after_append": 4,
    "intake.before_take": 3,
    "intake.after_take": 3,
    "intake.before_ack": 3,
    "intake.after_ack": 3,
    "store.before_commit": 4,
    "store.after_commit": 6,
    "store.before_reply": 5,
    "activity.after_claim": 1,
    "activity.after_call": 1,
    "activity.before_finish": 1,
    "activity.after_finish": 1,
    "relay.before_send": 2,
    "relay.after_send": 2,
    "relay.before_delete": 2,
    "relay.after_delete": 2,
}
"""Failpoint -> at which visit a service ends."""
HITS = {
    "ingest": {"bus.before_append": 2, "bus.after_append": 2},
    "diagnoser": EVERYWHERE,
    "executor": EVERYWHERE,
    "notifier": EVERYWHERE,
}
UNREACHED = {
    "ingest": "reads no topic, starts no activity; its store is the spool, whose crashes tests/contract/ingest shows",
}
SHORT = (("executor", "store.after_commit"), ("diagnoser", "relay.after_send"))
LIMIT, END_LIMIT = 90.0, 300.0


def test_every_failpoint_ends_every_service_that_can_reach_it_in_this_suite() -> None:
    for service, hits in HITS.items():
        assert set(hits) == failpoints.NAMES or service in UNREACHED
    assert set().union(*HITS.values()) == failpoints.NAMES


@dataclass
class Cluster:
    """Five processes that share nothing but Kafka, PostgreSQL and a folder of generated secrets."""

    signoff: Signoff
    ports: dict[str, int]
    url: str
    replays: int = 0

    def start(self, name: str, failpoint: str = "") -> subprocess.Popen[bytes]:
        """Start one process, armed or not."""
        self.signoff.said_in(name).unlink(missing_ok=True)
        port = str(self.ports[name])
        given = self.signoff.env
        if failpoint:
            self.signoff.env = {**given, "SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint}
        try:
            words = ("world", "serve") if name == "world" else ("serve", name)
            return self.signoff.start(name, *words, "--port", port)
        finally:
            self.signoff.env = given

    def end(self, name: str) -> None:
        """End one process in order."""
        process = self.signoff.started[name]
        process.terminate()
        process.wait(30)

    def replay(self) -> None:
        """Begin one more replay with an approver."""
        self.replays += 1
        words = ("replay", "high_cpu", "--approve", "auto", "--speed", "60", "--wait")
        self.signoff.start(f"replay-{self.replays}", *words)

    def die(self, name: str, failpoint: str) -> None:
        """Let one service run into a failpoint while the others go on, and start it again."""
        self.end(name)
        process = self.start(name, failpoint)
        if name == "notifier":
            until(
                lambda: process.poll() is not None or "is ready" in self.signoff.said(name) or None,
                limit=LIMIT,
                what=name,
            )
        self.replay()
        try:
            code = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name} did not reach {failpoint}: {self.signoff.said(name)[-2000:]}") from None
        assert code == -signal.SIGKILL, f"{name} at {failpoint}: exit {code}: {self.signoff.said(name)[-3000:]}"
        self.start(name)
        self.signoff.wait_for(name, "is ready", limit=LIMIT)

    def finish(self) -> Remains:
        """Approve what waits until every incident has ended, and return what is left."""

        def all_over() -> bool | None:
            incidents = self.signoff.json("incidents", "list")
            for incident in incidents:
                if incident["stage"] == "awaiting_approval":
                    self.signoff.run("approve", incident["id"], "--yes")
            return all(incident["stage"] in DONE for incident in incidents) or None

        def remains() -> Remains:
            return asyncio.run(of_database(self.url, self.signoff.data))

        until(all_over, limit=END_LIMIT, what="the end of all incidents")
        until(lambda: not check(remains()).findings or None, limit=60.0, what="rest")
        return remains()


@pytest.fixture
def cluster(tmp_path: Path, kafka: KafkaServer, postgres_url: str) -> Iterator[Cluster]:
    """A running cluster. A stable instance id lets a restarted process have its partitions at once."""
    ports = {name: free_port() for name in (*HITS, "world")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    env = {
        "SIGNOFF_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "SIGNOFF_KAFKA__TOPIC_PREFIX": f"t{uuid.uuid4().hex[:8]}.",
        "SIGNOFF_KAFKA__REPLICAS": "1",
        "SIGNOFF_KAFKA__INSTANCE_ID": "one",
        "SIGNOFF_STORE__URL": postgres_url,
        "SIGNOFF_NOTIFIER__BASE_URL": urls["notifier"],
        "SIGNOFF_MOCK__URL": urls["world"],
        **{f"SIGNOFF_SERVICES__{name.upper()}_URL": urls[name] for name in HITS if name != "notifier"},
    }
    signoff = Signoff(tmp_path / "data", env=env)
    applied = signoff.run("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    cluster = Cluster(signoff, ports, postgres_url)
    for name in ports:
        cluster.start(name)
    for name in ports:
        signoff.wait_for(name, "is ready", limit=LIMIT)
    yield cluster
    signoff.stop()


@pytest.mark.nightly
@pytest.mark.parametrize("long", [pytest.param(False, id="short"), pytest.param(True, id="long")])
def test_each_service_killed_at_each_failpoint_loses_nothing_and_does_nothing_twice(
    cluster: Cluster, enter: Enter, *, long: bool
) -> None:
    kills = [(service, name) for service, hits in HITS.items() for name in hits]
    for service, name in kills if long else SHORT:
        cluster.die(service, f"{name}:{HITS[service][name]}")
    try:
        remains = cluster.finish()
    except AssertionError as error:
        remains = asyncio.run(of_database(cluster.url, cluster.signoff.data))
        error.add_note(told(remains, check(remains).findings))
        raise
    verdict = check(remains)
    assert verdict.findings == [], told(remains, verdict.findings)
    assert verdict.runs >= 1
    assert verdict.acked >= 1
    assert 1 <= verdict.effects <= verdict.steps
    where = "five processes with replays and an approver, postgres, kafka"
    fault, within = "each service killed at failpoints, one after the other", f"{END_LIMIT:g} s"
    killed, costs = str(len(kills if long else SHORT)), (verdict.lost, verdict.doubled)
    enter(Line("F2, F3", fault, where, killed, *costs, stuck=verdict.stuck, within=within))
