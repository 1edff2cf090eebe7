"""The scale-out as processes: the four services and a simulated world, over one Kafka and one PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.incident.model import LIVE
from tests.resilience.checker import Remains, of_database
from tests.support.provider import free_port
from tests.support.signoff import Signoff, until

SERVICES = ("ingest", "diagnoser", "executor", "notifier")
READERS = SERVICES[1:]
DONE = frozenset({"closed", "needs_human", "cancelled", "expired", "failed", "rolled_back", "rejected"})
"""Stages after which nothing more happens to an incident of a replay by itself."""
LIMIT = 90.0


@dataclass
class Cluster:
    """Processes that share nothing but Kafka, PostgreSQL and a folder of generated secrets."""

    signoff: Signoff
    ports: dict[str, int]
    servers: str
    prefix: str
    url: str
    replays: int = 0

    def start(self, name: str, more: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start one process, with more in its environment if given. `diagnoser-2` is another diagnoser."""
        self.signoff.said_in(name).unlink(missing_ok=True)
        kind = name.partition("-")[0]
        port = str(self.ports.setdefault(name, free_port()))
        given = self.signoff.env
        self.signoff.env = {**given, **(more or {})}
        try:
            words = ("world", "serve") if kind == "world" else ("serve", kind)
            return self.signoff.start(name, *words, "--port", port)
        finally:
            self.signoff.env = given

    def ready(self, *names: str) -> None:
        """Return once these processes are ready."""
        for name in names:
            self.signoff.wait_for(name, "is ready", limit=LIMIT)

    def end(self, *names: str) -> None:
        """End processes in order, all at once."""
        processes = [self.signoff.started[name] for name in names]
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)

    def replay(self) -> subprocess.Popen[bytes]:
        """Begin one more replay with an approver."""
        self.replays += 1
        words = ("replay", "high_cpu", "--approve", "auto", "--speed", "60", "--wait")
        return self.signoff.start(f"replay-{self.replays}", *words)

    def end_incidents(self, limit: float) -> None:
        """Approve what waits until the incidents of all replays have ended."""

        def all_over() -> bool | None:
            listed = self.signoff.json("incidents", "list")
            incidents = [incident for incident in listed if incident["environment"] != LIVE]
            for incident in incidents:
                if incident["stage"] == "awaiting_approval":
                    self.signoff.run("approve", incident["id"], "--yes")
            return all(incident["stage"] in DONE for incident in incidents) or None

        until(all_over, limit=limit, what="the end of all incidents")

    def remains(self) -> Remains:
        """Read what is in the databases, in the spool and in the world's file."""
        return asyncio.run(of_database(self.url, self.signoff.data))


@contextmanager
def open_cluster(folder: Path, servers: str, url: str, *, instance: str = "") -> Iterator[Cluster]:
    """Start everything. With an instance id a killed process has its partitions at once when it starts again."""
    ports = {name: free_port() for name in (*SERVICES, "world")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    prefix = f"t{uuid.uuid4().hex[:8]}."
    env = {
        "SIGNOFF_KAFKA__BOOTSTRAP_SERVERS": servers,
        "SIGNOFF_KAFKA__TOPIC_PREFIX": prefix,
        "SIGNOFF_KAFKA__REPLICAS": "1",
        "SIGNOFF_KAFKA__INSTANCE_ID": instance,
        "SIGNOFF_STORE__URL": url,
        "SIGNOFF_NOTIFIER__BASE_URL": urls["notifier"],
        "SIGNOFF_MOCK__URL": urls["world"],
        **{f"SIGNOFF_SERVICES__{name.upper()}_URL": urls[name] for name in SERVICES if name != "notifier"},
    }
    signoff = Signoff(folder / "data", env=env)
    applied = signoff.run("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    cluster = Cluster(signoff, ports, servers, prefix, url)
    try:
        for name in ports:
            cluster.start(name)
        cluster.ready(*ports)
        yield cluster
    finally:
        signoff.stop()
