"""How long senders wait for their 202 while 500 incidents open, are gathered for and diagnosed within a minute.

All in one process with its child, the simulated world included, whose series every investigation reads. The floor is
the same deliveries at the same pace afterwards: they are known by then, and nothing is investigated.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.flood import Flood, deliveries
from benchmarks.load import Sent, send, write_requests
from benchmarks.measuring import Row, at_least, at_most, ratio_row, row
from tests.scenarios.replaying import replay_until_asked

INCIDENTS = 500
SECONDS = 60.0
CONNECTIONS = 8
LIMIT = 600.0
"""Seconds after which no more conclusions are waited for."""
LOOK = 0.5
INVESTIGATED = "select count(distinct incident_id) from investigation where environment=?"


def run(bench: Bench) -> list[Row]:
    """Return latencies, and until when each incident has a conclusion."""
    count, seconds = int(bench.either(INCIDENTS, 20)), bench.either(SECONDS, 4.0)
    signoff = bench.signoff({"SIGNOFF_NOTIFIER__TERMINAL": "false"})
    signoff.up()
    asked = replay_until_asked(signoff)
    run = asked.environment.removeprefix("sim:")
    happened = datetime.fromisoformat(asked.detail()["alerts"][0]["alert"]["occurred_at"])
    flood = Flood(count, count, run, start=int(happened.timestamp() * 1000))
    secret = (signoff.data / "secrets" / "datadog_replay").read_text().strip()
    requests = write_requests(bench.folder / "outbreak.json", [_request(secret, run, b) for b in deliveries(flood)])
    port = int(signoff.address("webhook_url").rpartition(":")[2])
    pour = partial(send, port, requests, connections=CONNECTIONS, seconds=seconds, rate=count / seconds)
    known = signoff.data / "diagnoser.db"
    before, began = _investigated(known, asked.environment), time.monotonic()
    busy: Sent = pour()
    concluded = _until(known, asked.environment, before + count)
    took = time.monotonic() - began
    calm: Sent = pour()
    what = f"{count} incidents in {seconds:g} s"
    return [
        ratio_row(f"{what}, p50 of a delivery beside at rest", "ms", [busy.p50], [calm.p50]),
        ratio_row(f"{what}, p99 of a delivery beside at rest", "ms", [busy.p99], [calm.p99], at_most(2.0)),
        row("deliveries refused", "", [float(busy.refused + calm.refused)], at_most(0.0)),
        row("incidents with a conclusion", "", [float(concluded - before)], at_least(float(count))),
        row("until each has one", "s", [took], at_most(300.0)),
    ]


def _request(secret: str, run: str, body: bytes) -> bytes:
    head = f"X-Signoff-Token: {secret}\r\nSignoff-Run: {run}\r\nContent-Type: application/json\r\n"
    start = f"POST /webhooks/datadog HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: {len(body)}\r\n\r\n"
    return start.encode() + body


def _until(database: Path, environment: str, count: int) -> int:
    """Return how many incidents were investigated once they are so many, or the time is up."""
    end = time.monotonic() + LIMIT
    while (found := _investigated(database, environment)) < count and time.monotonic() < end:
        time.sleep(LOOK)
    return found


def _investigated(database: Path, environment: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(INVESTIGATED, (environment,)).fetchone()[0])
