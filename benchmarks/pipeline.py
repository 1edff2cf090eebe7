"""From a webhook to the line that tells people, through four services on Kafka, beside three hops with nothing in them.

Each webhook is an incident of its own, and the engine is stubbed. Latency counts from when a webhook was due, whatever
the servers did, and is measured with everything on all processors. For the highest rate the four services share one.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.bench import Bench
from benchmarks.four import PROJECT, SERVICES, four_services
from benchmarks.ingest import start_floor
from benchmarks.measuring import Row, at_least, at_most, percentile, processor_seconds, ratio_row, row
from benchmarks.webhooks import generated_secrets
from shared.events.payload import ALERTS
from tests.support.signoff import Signoff

RATE = 100.0
RATES = (100.0, 150.0, 200.0, 300.0)
"""What is tried for the highest rate."""
SECONDS, WARM, DRAIN = 8.0, 2.0, 5.0
CONNECTIONS = 16
SERVER_PROCESSOR = 0
KEEPS_UP = 1.0
"""Seconds: who is no more behind at the end of a run keeps up with its rate."""
_TITLE = re.compile(r"burst-(\d+)")


@dataclass
class Heard:
    """When each burst was first told of, by its number, as a process that writes lines says it."""

    path: Path
    at: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with self.path.open() as lines:
            rest = ""
            while True:
                read = lines.read()
                now = time.perf_counter()
                *whole, rest = (rest + read).split("\n")
                for line in whole:
                    if found := _TITLE.search(line):
                        self.at.setdefault(int(found[1]), now)
                if not read:
                    time.sleep(0.0005)


@dataclass(frozen=True, slots=True)
class Run:
    """One run at a rate. `took`: milliseconds by number; `behind`: seconds after the end until all was told."""

    rate: float
    took: list[float]
    behind: float
    untold: int
    processor: float

    def p(self, share: float) -> float:
        """Return a percentile."""
        return percentile(self.took, share)


@dataclass
class Way:
    """Something that takes webhooks and tells of them."""

    port: int
    heard: Heard
    pids: list[int]
    head: bytes
    stop: Callable[[], None]
    sent: int = 0

    def run(self, rate: float, seconds: float) -> Run:
        """Send at a rate and wait until all is told."""
        first, count = self.sent, round(rate * seconds)
        self.sent += count
        before = processor_seconds(*self.pids)
        due = asyncio.run(_send(self.port, [self._request(first + n) for n in range(count)], rate))
        end = time.perf_counter()
        while len(self.heard.at) < self.sent and time.perf_counter() - end < DRAIN:
            time.sleep(0.005)
        at = self.heard.at
        told = [n for n in range(first, first + count) if n in at]
        took = [(at[n] - due[n - first]) * 1000 for n in told]
        behind = max((at[n] for n in told), default=end) - due[-1]
        cost = (processor_seconds(*self.pids) - before) / count * 1e6
        return Run(rate, took, behind if len(told) == count else DRAIN, count - len(told), cost)

    def _request(self, number: int) -> bytes:
        body = json.dumps(
            {
                "id": f"88{number:010}",
                "alert_id": str(5000 + number),
                "alert_transition": "Triggered",
                "alert_priority": "P2",
                "alert_scope": f"service:service-{number}",
                "alert_metric": "system.cpu.user",
                "title": f"[P2] [Triggered] burst-{number}",
                "text": "The average of system.cpu.user over the last 5 minutes is above 90 %. " * 4,
                "tags": f"env:prod,service:service-{number},team:team-{number % 10}",
                "date": str(int(time.time() * 1000)),
                "link": f"https://app.datadoghq.eu/monitors/{5000 + number}",
                "org": {"id": "123456", "name": "Example"},
            }
        ).encode()
        return self.head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def run(bench: Bench) -> list[Row]:
    """Return latencies at a fixed rate beside the floor's, and the highest rate that the services keep up with."""
    seconds, warm = bench.either(SECONDS, 1.0), bench.either(WARM, 0.5)
    product, floor = _product(bench), _floor(bench)
    for way in (product, floor):
        way.run(RATE / 2, warm)
    pairs = [(product.run(RATE, seconds / 2), floor.run(RATE, seconds / 2)) for _ in range(int(bench.either(3, 1)))]
    rows = _beside(pairs)
    floor.stop()
    crowded = product
    if not bench.quick:
        product.stop()
        crowded = _product(bench, SERVER_PROCESSOR)
        crowded.run(RATE / 2, warm)
    tried: list[Run] = []
    for rate in RATES:
        tried.append(crowded.run(rate, bench.either(6.0, 0.5)))
        if tried[-1].behind > KEEPS_UP:
            break  # What it has not told of would slow the next one down.
    best = max((one.rate for one in tried if one.behind <= KEEPS_UP), default=0.0)
    rows += [
        row("highest rate tried that one processor keeps up with", "/s", [best], at_least(200.0)),
        *(row(f"{one.rate:g}/s, the last is told after its turn by", "s", [one.behind]) for one in tried),
        row("not told of", "", [float(sum(one.untold for pair in pairs for one in pair))], at_most(0.0)),
    ]
    return rows


def _beside(pairs: list[tuple[Run, Run]]) -> list[Row]:
    products, floors = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    p50 = _ratio(f"{RATE:g}/s, p50, beside three hops", [(a.p(0.5), b.p(0.5)) for a, b in pairs])
    return [
        p50,
        row(f"{RATE:g}/s, p99", "ms", [one.p(0.99) for one in products], at_most(75.0)),
        row(f"{RATE:g}/s, p99 of three hops", "ms", [one.p(0.99) for one in floors]),
        row("processor time of a webhook, four services", "us", [one.processor for one in products]),
        row("processor time of a webhook, three hops", "us", [one.processor for one in floors]),
    ]


def _ratio(name: str, pairs: list[tuple[float, float]]) -> Row:
    return ratio_row(name, "ms", [a for a, _ in pairs], [b for _, b in pairs], at_most(5.0, 3.0))


def _product(bench: Bench, processor: int | None = None) -> Way:
    signoff = four_services(bench, processor=processor, stubbed=True)
    secret = generated_secrets(signoff.data)["datadog"]
    head = (
        "POST /webhooks/datadog HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Signoff-Token: {secret}\r\n"
    ).encode()
    port = int(signoff.env["SIGNOFF_SERVICES__INGEST_URL"].rpartition(":")[2])
    pids = [signoff.started[name].pid for name in SERVICES]
    return Way(port, Heard(signoff.said_in("notifier")), pids, head, signoff.stop)


def _floor(bench: Bench) -> Way:
    """Start the door and three hops on topics of their own."""
    signoff = bench.signoff(bench.kafka_environment())
    prefix = signoff.env["SIGNOFF_KAFKA__TOPIC_PREFIX"]
    topics = [prefix + ALERTS, f"{prefix}second", f"{prefix}third"]
    asyncio.run(_make(bench.kafka.bootstrap_servers, topics))
    signoff.data.mkdir(parents=True, exist_ok=True)
    door = start_floor(signoff, "bare")
    pids = [door.pid]
    for source, target in zip(topics, [*topics[1:], None], strict=True):
        pids.append(_start_hop(signoff, bench.kafka.bootstrap_servers, source, target).pid)
    for source in topics:
        signoff.wait_for(source, "is ready")
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return Way(door.port, Heard(signoff.said_in(topics[-1])), pids, head, signoff.stop)


def _start_hop(signoff: Signoff, servers: str, source: str, target: str | None) -> subprocess.Popen[bytes]:
    there = [target] if target else []
    program = [sys.executable, "-m", "benchmarks.hops", source, *there]
    return signoff.start_program(source, ["env", f"BENCH_KAFKA={servers}", f"PYTHONPATH={PROJECT}", *program])


async def _make(servers: str, topics: list[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 12, 1) for name in topics])
    finally:
        await admin.close()


async def _send(port: int, requests: list[bytes], rate: float) -> list[float]:
    """Send at fixed times over a few connections; return when each was due."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    begun, due, asked = time.perf_counter() + 0.05, [], []
    for number, request in enumerate(requests):
        due.append(begun + number / rate)
        await asyncio.sleep(max(0.0, due[-1] - time.perf_counter()))
        asked.append(asyncio.create_task(_ask(free, request)))
    await asyncio.gather(*asked)
    while not free.empty():
        free.get_nowait()[1].close()
    return due


async def _ask(free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]], request: bytes) -> None:
    reader, writer = await free.get()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    assert head[9:12] == b"202", head
    free.put_nowait((reader, writer))
