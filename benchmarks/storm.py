"""A storm: 100,000 webhooks of 50 causes through four services on Kafka; 5,000 alerts of one cause in one process."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.flood import Flood, Poured, pour
from benchmarks.four import four_services
from benchmarks.measuring import Row, at_most, family, peak_megabytes, processor_seconds, row
from benchmarks.webhooks import generated_secrets
from tests.scenarios.replaying import replay_until_asked
from tests.support.signoff import Signoff

DELIVERIES, CAUSES, CONNECTIONS = 100_000, 50, 64
LIMIT = 170.0
"""Seconds after which a storm is given up."""
LOOK = 0.2
ALIKE = 5_000
"""Alerts of one cause."""
DECIDED = "select count(*) from disposition where source='datadog'"


@dataclass(frozen=True, slots=True)
class Storm:
    """What became of a flood. `seconds`: from the first byte until every delivery had its disposition."""

    poured: Poured
    seconds: float
    lost: int
    doubled: int
    incidents: int
    most_told: int
    peaks: dict[str, float]
    processor: dict[str, float]


def run(bench: Bench) -> list[Row]:
    """Return how long it takes, what it becomes and what it weighs."""
    count = int(bench.either(DELIVERIES, 2_000))
    storm = storm_on_kafka(bench, count)
    rows = [
        row("until each delivery is decided", "s", [storm.seconds], at_most(25.0, 15.0)),
        row("until each delivery is answered", "s", [storm.poured.seconds]),
        row("deliveries not sent in time", "", [float(count - storm.poured.receipts)], at_most(0.0)),
        row("deliveries lost", "", [float(storm.lost)], at_most(0.0)),
        row("deliveries decided twice", "", [float(storm.doubled)], at_most(0.0)),
        row("incidents", "", [float(storm.incidents)], at_most(float(CAUSES))),
        row("notifications of an incident, at most", "", [float(storm.most_told)], at_most(2.0)),
    ]
    rows += [row(f"{name}, peak memory", "MB", [peak], at_most(150.0)) for name, peak in storm.peaks.items()]
    rows += [row(f"{name}, processor time", "s", [spent]) for name, spent in storm.processor.items()]
    return [*rows, *one_cause(bench, int(bench.either(ALIKE, 200)))]


def one_cause(bench: Bench, count: int) -> list[Row]:
    """Return what becomes of alerts of one cause while its question waits, all in one process."""
    signoff = bench.signoff({"SIGNOFF_NOTIFIER__TERMINAL": "false"})
    signoff.up()
    asked = replay_until_asked(signoff)
    run = asked.environment.removeprefix("sim:")
    happened = datetime.fromisoformat(asked.detail()["alerts"][0]["alert"]["occurred_at"])
    flood = Flood(count, 1, run, "storefront", int(happened.timestamp() * 1000))
    port = int(signoff.address("webhook_url").rpartition(":")[2])
    secret = (signoff.data / "secrets" / "datadog_replay").read_text().strip()
    receipts = bench.folder / "receipts-of-one-cause"
    decided = signoff.data / "diagnoser.db"
    before = _one(decided, DECIDED)
    poured = pour(port, secret, flood, connections=CONNECTIONS, receipts=receipts)
    _wait_for(decided, before + count)
    seconds = time.time() - poured.began
    lost = len(set(receipts.read_text().split()) - dispositions(decided).keys())
    _wait_until_quiet(lambda: len(asked.slack()) + asked.detail()["incident"]["alert_count"])
    incidents = [one for one in signoff.json("incidents", "list") if one["environment"] == asked.environment]
    posts = asked.slack()
    return [
        row(f"{count:,} alerts of one cause, one process", "s", [seconds]),
        row("refused or lost", "", [float(poured.refused + lost)], at_most(0.0)),
        row("incidents of one cause", "", [float(len(incidents))], at_most(1.0)),
        row("approvals of one cause", "", [float(len(asked.detail()["approvals"]))], at_most(1.0)),
        row("Slack messages of one cause", "", [float(len(posts))], at_most(1.0)),
        row("lines in the thread of that message", "", [float(sum(len(post["thread"]) for post in posts))]),
        row("one process with its child, peak memory", "MB", [_peak(signoff)], at_most(260.0)),
    ]


def _peak(signoff: Signoff) -> float:
    return peak_megabytes(*family(signoff.started["up"].pid))


def storm_on_kafka(bench: Bench, count: int) -> Storm:
    """Pour a storm into four processes and account for every receipt."""
    signoff = four_services(bench)
    secret = generated_secrets(signoff.data)["datadog"]
    receipts = bench.folder / "receipts"
    port = int(signoff.env["SIGNOFF_SERVICES__INGEST_URL"].rpartition(":")[2])
    pids = {name: process.pid for name, process in signoff.started.items()}
    before = {name: processor_seconds(pid) for name, pid in pids.items()}
    poured = pour(port, secret, Flood(count, CAUSES), connections=CONNECTIONS, receipts=receipts)
    assert not poured.refused, f"{poured.refused} deliveries were refused"
    decided = signoff.data / "diagnoser.db"
    _wait_for(decided, poured.receipts)
    seconds = time.time() - poured.began
    given = receipts.read_text().split()
    found = dispositions(decided)
    _wait_until_quiet(lambda: told(signoff).total())
    return Storm(
        poured,
        seconds,
        lost=len(set(given) - found.keys()),
        doubled=sum(number - 1 for number in found.values()),
        incidents=_one(decided, "select count(distinct incident_id) from disposition"),
        most_told=max(told(signoff).values(), default=0),
        peaks={name: peak_megabytes(pid) for name, pid in pids.items()},
        processor={name: processor_seconds(pid) - before[name] for name, pid in pids.items()},
    )


def dispositions(database: Path) -> Counter[str]:
    """Return how many dispositions each receipt has; a canary of ingest itself is none of ours."""
    statement = "select receipt, count(*) from disposition where source='datadog' group by receipt"
    with closing(sqlite3.connect(database)) as connection:
        return Counter(dict(connection.execute(statement).fetchall()))


def told(signoff: Signoff) -> Counter[str]:
    """Return how many lines the terminal got about each incident."""
    lines = signoff.said("notifier").splitlines()
    return Counter(line.partition(" ")[0] for line in lines if line.startswith("INC-"))


def _wait_for(database: Path, count: int) -> None:
    end = time.monotonic() + LIMIT
    while _one(database, DECIDED) < count:
        if time.monotonic() > end:
            return  # What is missing then is counted as lost.
        time.sleep(LOOK)


def _wait_until_quiet(look: Callable[[], int]) -> None:
    """Return when nothing has moved for two seconds."""
    end, moved, before = time.monotonic() + LIMIT, time.monotonic(), -1
    while time.monotonic() < end and time.monotonic() - moved < 2.0:
        now = look()
        if now != before:
            before, moved = now, time.monotonic()
        time.sleep(LOOK)


def _one(database: Path, statement: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(statement).fetchone()[0])
