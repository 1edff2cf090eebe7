"""Ingest beside the least that makes a delivery durable, on a real Kafka: rate, processor time, latency."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.load import Sent, send, write_requests
from benchmarks.measuring import Row, at_least, at_most, interleaved, on_processor, processor_seconds, ratio_row, row
from benchmarks.webhooks import generated_secrets, mixed_requests
from shared.events.payload import ALERTS
from tests.support.provider import free_port
from tests.support.signoff import Signoff

CONNECTIONS = 64
REQUESTS = 4000
"""Different requests; then the same again."""
OPEN_RATE = 1000.0
SERVER_PROCESSOR = 0
READY_SECONDS = 60.0
PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Server:
    """Something that takes deliveries."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Run:
    """One round against one server: what senders saw, and what the server computed meanwhile."""

    sent: Sent
    processor: float
    """Seconds."""

    @property
    def cost(self) -> float:
        """Processor time of a delivery in microseconds."""
        return self.processor / self.sent.answered * 1e6


def run(bench: Bench) -> list[Row]:
    """Return deliveries a second and processor time at 64 connections, then latencies at 1,000 a second."""
    signoff = signoff_on_kafka(bench)
    servers = [start_ingest(signoff), *(start_floor(signoff, name) for name in ("bare", "naive"))]
    requests = requests_for(bench, signoff)
    whole, paced = bench.either(2.5, 0.3), bench.either(3.0, 0.3)
    rounds = int(bench.either(4, 1))
    for server in servers:
        measure(server, requests, bench.either(1.5, 0.2))
    closed = interleaved({one.name: partial(measure, one, requests, whole) for one in servers}, rounds)
    opened = interleaved({one.name: partial(measure, one, requests, paced, OPEN_RATE) for one in servers[:2]}, rounds)
    return [*throughput(closed), *latency(f"{OPEN_RATE:,.0f}/s", opened)]


def throughput(runs: dict[str, list[Run]]) -> list[Row]:
    """Return the product beside both floors, by deliveries a second and by processor time."""
    rate = {name: [one.sent.rate for one in found] for name, found in runs.items()}
    cost = {name: [one.cost for one in found] for name, found in runs.items()}
    at = f"{CONNECTIONS} connections"
    return [
        ratio_row(f"{at}, beside bare ASGI + aiokafka", "/s", rate["ingest"], rate["bare"], at_least(0.45, 0.60)),
        ratio_row(f"{at}, beside naive FastAPI + aiokafka", "/s", rate["ingest"], rate["naive"], at_least(2.5, 3.3)),
        ratio_row("processor time of a delivery, beside bare", "us", cost["ingest"], cost["bare"]),
        ratio_row("processor time of a delivery, beside naive", "us", cost["ingest"], cost["naive"]),
        row(f"{at}, p99", "ms", [one.sent.p99 for one in runs["ingest"]], at_most(100.0)),
    ]


def latency(how: str, runs: dict[str, list[Run]]) -> list[Row]:
    """Return how long answers take at a fixed rate."""
    product, floor = ([one.sent for one in runs[name]] for name in ("ingest", "bare"))
    return [
        ratio_row(f"{how}, p50", "ms", [one.p50 for one in product], [one.p50 for one in floor]),
        ratio_row(f"{how}, p99", "ms", [one.p99 for one in product], [one.p99 for one in floor]),
    ]


def measure(server: Server, requests: Path, seconds: float, rate: float | None = None) -> Run:
    """Send to one server. Fails when it refuses a delivery or breaks a connection."""
    before = processor_seconds(server.pid)
    sent = send(server.port, requests, connections=CONNECTIONS, seconds=seconds, rate=rate)
    assert not sent.refused, f"{server.name} refused {sent.refused} of {sent.answered} deliveries"
    assert not sent.again, f"{server.name} broke a connection {sent.again} times"
    return Run(sent, processor_seconds(server.pid) - before)


def signoff_on_kafka(bench: Bench, bootstrap_servers: str = "") -> Signoff:
    """Return a Signoff whose topics are on the broker."""
    signoff = bench.signoff(bench.kafka_environment(bootstrap_servers))
    applied = signoff.run("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    return signoff


def requests_for(bench: Bench, signoff: Signoff) -> Path:
    """Return a file of requests with the proofs that this Signoff accepts; it must have been started."""
    return write_requests(bench.folder / "requests.json", mixed_requests(REQUESTS, generated_secrets(signoff.data)))


def start_ingest(signoff: Signoff) -> Server:
    """Start the product's ingest as a process of its own."""
    port = free_port()
    with on_processor(SERVER_PROCESSOR):
        process = signoff.start("ingest", "serve", "ingest", "--port", str(port))
    _wait_until_ready(f"http://127.0.0.1:{port}/readyz", signoff, "ingest")
    return Server("ingest", port, process.pid)


def start_floor(signoff: Signoff, name: str) -> Server:
    """Start one of `floors.py` on the same topic as ingest."""
    port = free_port()
    options = ["--port", str(port), "--http", "httptools", "--loop", "uvloop", "--no-access-log"]
    program = [sys.executable, "-m", "uvicorn", f"benchmarks.floors:{name}", *options, "--app-dir", str(PROJECT)]
    told = {
        "BENCH_KAFKA": signoff.env["SIGNOFF_KAFKA__BOOTSTRAP_SERVERS"],
        "BENCH_TOPIC": signoff.env["SIGNOFF_KAFKA__TOPIC_PREFIX"] + ALERTS,
    }
    with on_processor(SERVER_PROCESSOR):
        process = signoff.start_program(name, ["env", *(f"{key}={value}" for key, value in told.items()), *program])
    _wait_until_ready(f"http://127.0.0.1:{port}/", signoff, name)
    return Server(name, port, process.pid)


def _wait_until_ready(url: str, signoff: Signoff, name: str) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        assert signoff.started[name].poll() is None, f"{name} ended: {signoff.said(name)[-2000:]}"
        try:
            urllib.request.urlopen(url, timeout=READY_SECONDS).close()  # noqa: S310 -- loopback
        except urllib.error.HTTPError as error:
            if error.code not in (500, 503):
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} was not ready within {READY_SECONDS:g} s: {signoff.said(name)[-2000:]}")
