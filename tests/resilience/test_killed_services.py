"""The scale-out under kills: each service, as a process of its own, ends at each failpoint that it can reach."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.store import failpoints
from tests.resilience.checker import Remains, check, told
from tests.resilience.cluster import LIMIT, Cluster, open_cluster
from tests.resilience.conftest import Enter
from tests.resilience.report import Line
from tests.support.kafka import KafkaServer
from tests.support.signoff import until

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
END_LIMIT = 300.0


def test_every_failpoint_ends_every_service_that_can_reach_it_in_this_suite() -> None:
    for service, hits in HITS.items():
        assert set(hits) == failpoints.NAMES or service in UNREACHED
    assert set().union(*HITS.values()) == failpoints.NAMES


def die(cluster: Cluster, name: str, failpoint: str) -> None:
    """Let one service run into a failpoint while the others go on, and start it again."""
    signoff = cluster.signoff
    cluster.end(name)
    process = cluster.start(name, {"SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint})
    if name == "notifier":
        until(lambda: process.poll() is not None or "is ready" in signoff.said(name) or None, limit=LIMIT, what=name)
    cluster.replay()
    try:
        code = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{name} did not reach {failpoint}: {signoff.said(name)[-2000:]}") from None
    assert code == -signal.SIGKILL, f"{name} at {failpoint}: exit {code}: {signoff.said(name)[-3000:]}"
    cluster.start(name)
    cluster.ready(name)


def finish(cluster: Cluster) -> Remains:
    """Approve what waits until every incident has ended, and return what is left."""
    cluster.end_incidents(END_LIMIT)

    def resting() -> Remains | None:
        remains = cluster.remains()
        return None if check(remains).findings else remains

    return until(resting, limit=60.0, what="rest")


@pytest.fixture
def cluster(tmp_path: Path, kafka: KafkaServer, postgres_url: str) -> Iterator[Cluster]:
    """A running cluster."""
    with open_cluster(tmp_path, kafka.bootstrap_servers, postgres_url, instance="one") as found:
        yield found


@pytest.mark.nightly
@pytest.mark.parametrize("long", [pytest.param(False, id="short"), pytest.param(True, id="long")])
def test_each_service_killed_at_each_failpoint_loses_nothing_and_does_nothing_twice(
    cluster: Cluster, enter: Enter, *, long: bool
) -> None:
    kills = [(service, name) for service, hits in HITS.items() for name in hits]
    for service, name in kills if long else SHORT:
        die(cluster, service, f"{name}:{HITS[service][name]}")
    try:
        remains = finish(cluster)
    except AssertionError as error:
        remains = cluster.remains()
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
