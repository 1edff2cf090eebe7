"""How long `signoff up` and each service take until they are ready, and what they weigh then.

Each round of `up` is a first start: an empty data directory, secrets and schemas to be made. A service starts as in
production, on Kafka and PostgreSQL, where topics and schemas are there already; it is ready when it reads its topics. A
round before them fills the page cache and makes the schemas.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.bench import Bench
from benchmarks.measuring import (
    Goal,
    Row,
    at_most,
    family,
    interleaved,
    processor_seconds,
    resident_megabytes,
    row,
    timed,
)
from tests.support.provider import free_port

ROUNDS = 4
SETTLE = 2.0
"""Seconds after which a process that nobody asks for anything counts as idle."""
GIVE_UP = 60.0
POLL = 0.005
SERVICES = ("ingest", "diagnoser", "executor", "notifier")
READY_SECONDS: Mapping[str, Goal] = {"up": at_most(2.0)}
IDLE_MEGABYTES: Mapping[str, Goal] = {"up": at_most(180.0)}


@dataclass(frozen=True, slots=True)
class Start:
    """One start."""

    seconds: float
    work: float
    """Seconds of processor time until it was ready."""
    megabytes: float


def run(bench: Bench) -> list[Row]:
    """Return start and memory of `up` and of each service."""
    cluster = {**bench.kafka_environment(), "SIGNOFF_STORE__URL": bench.postgres_url()}
    applied = bench.signoff(cluster).run("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    cases: dict[str, Callable[[], Start]] = {"up": partial(start_up, bench)}
    cases |= {name: partial(start_service, bench, name, cluster) for name in SERVICES}
    interleaved(cases, 1)
    found = interleaved(cases, int(bench.either(ROUNDS, 1)))
    ready = [
        row(f"{name}, ready", "s", [start.seconds for start in starts], READY_SECONDS.get(name))
        for name, starts in found.items()
    ]
    idle = [
        row(f"{name}, idle memory", "MB", [start.megabytes for start in starts], IDLE_MEGABYTES.get(name))
        for name, starts in found.items()
    ]
    work = [
        row(f"{name}, processor time until ready", "s", [one.work for one in starts]) for name, starts in found.items()
    ]
    return ready + work + idle


def start_up(bench: Bench) -> Start:
    """Start everything in one process."""
    console, webhooks = free_port(), free_port()
    return _start(bench, {}, [console, webhooks], "up", "--port", str(console), "--webhook-port", str(webhooks))


def start_service(bench: Bench, name: str, cluster: Mapping[str, str]) -> Start:
    """Start one service alone."""
    port = free_port()
    return _start(bench, cluster, [port], "serve", name, "--port", str(port))


def _start(bench: Bench, environment: Mapping[str, str], ports: list[int], *arguments: str) -> Start:
    """Start a program, wait until it is ready and idle, end it."""
    signoff = bench.signoff(environment)
    with timed() as elapsed:
        process = signoff.start("program", *arguments)
        while not all(_is_ready(port) for port in ports):
            assert process.poll() is None, f"`signoff {' '.join(arguments)}` ended: {signoff.said('program')[-2000:]}"
            assert elapsed() < GIVE_UP, f"not ready within {GIVE_UP:g} s"
            time.sleep(POLL)
        seconds = elapsed()
    work = processor_seconds(*family(process.pid))
    time.sleep(bench.either(SETTLE, 0.0))
    megabytes = resident_megabytes(*family(process.pid))
    signoff.stop()
    return Start(seconds, work, megabytes)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
