"""How long senders wait for their 202 while the broker is 5 ms away, and while the diagnoser's child process computes.

The floor of the first is bare ASGI + aiokafka on the same far broker, of the second the same ingest while the engine
rests. Engine and ingest share one processor, and the engine is given one case after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import selectors
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO

from benchmarks.bench import BROKER_PROCESSOR, Bench
from benchmarks.ingest import (
    OPEN_RATE,
    SERVER_PROCESSOR,
    Run,
    latency,
    measure,
    requests_for,
    signoff_on_kafka,
    start_floor,
    start_ingest,
)
from benchmarks.measuring import Row, at_most, interleaved, on_processor, ratio_row
from services.diagnoser.adapters.engine_child import COMMAND, ENVIRONMENT, ROOT
from tests.support.cases import case, ramp
from tests.support.kafka import LocalKafka
from tests.support.provider import free_port
from tests.support.proxy import Proxy

ROUND_TRIP = 0.005
HONEST_RATE = 300.0
"""Beside the engine, with which ingest shares a processor."""


def run(bench: Bench) -> list[Row]:
    """Return latencies at 1,000 a second."""
    return [*_far(bench), *_busy(bench)]


def _far(bench: Bench) -> list[Row]:
    broker, port = _broker_elsewhere(bench)
    with broker, _line(broker, port):
        signoff = signoff_on_kafka(bench, f"127.0.0.1:{port}")
        servers = [start_ingest(signoff), start_floor(signoff, "bare")]
        requests = requests_for(bench, signoff)
        seconds = bench.either(3.0, 0.3)
        for server in servers:
            measure(server, requests, bench.either(1.0, 0.2))
        cases = {one.name: partial(measure, one, requests, seconds, OPEN_RATE) for one in servers}
        found = interleaved(cases, int(bench.either(4, 1)))
        signoff.stop()
    return latency(f"broker {ROUND_TRIP * 1000:g} ms away, {OPEN_RATE:,.0f}/s", found)


def _broker_elsewhere(bench: Bench) -> tuple[LocalKafka, int]:
    """Return a broker that tells everybody to come by another port, and that port."""
    port = free_port()
    broker = LocalKafka(bench.folder / "far-kafka")
    settings = broker.folder / "server.properties"
    told = f"advertised.listeners=PLAINTEXT://{broker.bootstrap_servers}"
    text = settings.read_text()
    assert told in text
    settings.write_text(text.replace(told, f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}"))
    with on_processor(BROKER_PROCESSOR):
        broker.start()
    return broker, port


@contextlib.contextmanager
def _line(broker: LocalKafka, port: int) -> Iterator[None]:
    """Carry what comes by the port to the broker, half a round trip each way, in a thread of its own."""
    # Only `select` waits for less than a millisecond.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    host, _, own = broker.bootstrap_servers.partition(":")
    proxy = Proxy(host, int(own), listen=port)
    proxy.latency = ROUND_TRIP / 2
    loop.run_until_complete(proxy.up())
    thread = threading.Thread(target=loop.run_forever)
    with on_processor(BROKER_PROCESSOR):
        thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(proxy.__aexit__(None, None, None))
        loop.close()


def _busy(bench: Bench) -> list[Row]:
    signoff = signoff_on_kafka(bench)
    server = start_ingest(signoff)
    requests = requests_for(bench, signoff)
    seconds = bench.either(3.0, 0.3)
    measure(server, requests, bench.either(1.0, 0.2))

    def thinking() -> Run:
        with _engine():
            return measure(server, requests, seconds, HONEST_RATE)

    cases: dict[str, Callable[[], Run]] = {
        "resting": partial(measure, server, requests, seconds, HONEST_RATE),
        "thinking": thinking,
    }
    runs = interleaved(cases, int(bench.either(4, 1)))
    found = {name: [one.sent for one in sent] for name, sent in runs.items()}
    p50, p99 = (
        {name: [getattr(one, which) for one in sent] for name, sent in found.items()} for which in ("p50", "p99")
    )
    what = f"the diagnoser's child busy, {HONEST_RATE:,.0f}/s"
    return [
        ratio_row(f"{what}, p50", "ms", p50["thinking"], p50["resting"]),
        ratio_row(f"{what}, p99", "ms", p99["thinking"], p99["resting"], at_most(2.0)),
    ]


@contextlib.contextmanager
def _engine() -> Iterator[None]:
    """Let the diagnoser's child process work on one case after the other, beside the server."""
    question = json.dumps({"id": "case", "case": case({"web-a/mem.used_pct": ramp(40.0, -20.0)})}).encode() + b"\n"
    with on_processor(SERVER_PROCESSOR):
        child = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, cwd=ROOT, bufsize=0
        )
    assert child.stdin is not None
    assert child.stdout is not None
    into, out = child.stdin, child.stdout
    done = threading.Event()
    answers = 0

    def ask() -> None:
        nonlocal answers
        while not done.is_set():
            into.write(question)
            answers += b'"conclusion"' in _line_of(out)
        into.close()

    into.write(question)
    assert b'"conclusion"' in _line_of(out), "the engine has no conclusion"
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        child.wait()
        out.close()
    assert answers, "the engine was never busy"


def _line_of(out: IO[bytes]) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = out.readline()
        assert part, "the engine ended"
        line += part
    return line
