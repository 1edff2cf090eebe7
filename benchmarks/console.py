"""The list of incidents, as the command and as the page read it, with 10,000 incidents in the notifier."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from benchmarks.bench import Bench
from benchmarks.measuring import Row, at_most, peak_megabytes, percentile, row
from services.diagnoser.domain.correlation import incident_id
from services.notifier.app import kinds, tables
from services.notifier.domain.config import Config
from services.notifier.entrypoints.consumer import route
from services.notifier.settings import Settings
from shared.bus.port import Received
from shared.events.envelope import headers_of, read_headers
from shared.events.incidents import IncidentOpened
from shared.events.investigations import InvestigationStarted
from shared.incident.alert import Alert, fingerprint
from shared.incident.enums import Severity
from shared.store.factory import open_store
from shared.store.model import Incoming
from tests.support.provider import free_port

INCIDENTS = 10_000
READS = 100
BATCH = 500
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
READY_SECONDS = 60.0


def run(bench: Bench) -> list[Row]:
    """Return how long the list and the page of an incident take, each asked for again and again."""
    count = int(bench.either(INCIDENTS, 50))
    signoff = bench.signoff()
    signoff.data.mkdir(mode=0o700)
    asyncio.run(_fill(signoff.data / "notifier.db", count))
    port = free_port()
    process = signoff.start("notifier", "serve", "notifier", "--port", str(port))
    signoff.wait_for("notifier", "is ready", limit=READY_SECONDS)
    told = json.loads((signoff.data / "run.json").read_text())
    one = _name(count // 2)
    paths = {
        "`incidents list`": "/api/incidents",
        "page of all incidents": "/",
        "page of one incident": f"/i/{one}",
        "`incidents show`, by a prefix": f"/api/incidents/{one[:9]}",
    }
    rows = [_row(bench, name, told["url"] + path, told["token"]) for name, path in paths.items()]
    return [*rows, row("notifier, peak memory", "MB", [peak_megabytes(process.pid)])]


def _row(bench: Bench, name: str, url: str, token: str) -> Row:
    """Return the 95th percentile of reads, one after the other; the first few are to fill caches."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 -- loopback
    took, body = [], b""
    for _ in range(int(bench.either(READS, 3)) + 2):
        begun = time.perf_counter()
        with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:  # noqa: S310 -- loopback
            body = answer.read()
        took.append((time.perf_counter() - begun) * 1000)
    assert b"INC-" in body, body[:500]
    return row(f"{name}, p95", "ms", [percentile(took[2:], 0.95)], at_most(100.0))


async def _fill(path: Path, count: int) -> None:
    """Let the notifier's own transitions take two events of each incident."""
    config = Config("http://127.0.0.1:8700")
    store = open_store(path, service="notifier", kinds=kinds(Settings()), tables=tables(), config=config)
    await store.open()
    await store.start()
    messages = [message for number in range(count) for message in _events(number)]
    for first in range(0, len(messages), BATCH):
        await store.take(messages[first : first + BATCH])
    while store.waiting():  # noqa: ASYNC110 -- the count is the store's; nobody rings when it falls
        await asyncio.sleep(0.05)
    await store.close()


def _name(number: int) -> str:
    return incident_id("scope/live", str(number))


def _events(number: int) -> Iterator[Incoming]:
    at, name = BEGAN + timedelta(minutes=number), _name(number)
    title = f"CPU is high on service-{number % 50} hosts"
    alert = Alert(
        fingerprint=fingerprint("datadog", name),
        source="datadog",
        source_key=name,
        title=title,
        services=(f"service-{number % 50}",),
        occurred_at=at,
    )
    opened = IncidentOpened(
        title=title,
        severity=Severity.SEV2,
        services=alert.services,
        started_at=at,
        message_id=f"r{number}",
        alert=alert,
    )
    started = InvestigationStarted(investigation_id=f"{name}-i1", reason="incident opened")
    for n, payload in enumerate((opened, started), start=1):
        event = payload.outgoing(name, environment="live")
        event_id = f"diagnoser/incident/{name}:{n}"
        headers = headers_of(event, event_id=event_id, source="signoff/diagnoser", now=at.timestamp())
        received = Received(event.topic, name, read_headers(headers), headers, orjson.dumps(event.body), 0)
        message = route(received)
        assert message is not None
        yield message
