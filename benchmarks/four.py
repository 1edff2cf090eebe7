"""The four services as processes of their own on Kafka, each with an SQLite file, without a simulated world."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import on_processor
from tests.support.provider import free_port
from tests.support.signoff import Signoff

PROJECT = Path(__file__).parents[1]
SERVICES = ("ingest", "diagnoser", "executor", "notifier")


def four_services(bench: Bench, *, processor: int | None = None, stubbed: bool = False) -> Signoff:
    """Start all four and wait until they are ready; on one processor, and with a stubbed engine, if asked."""
    ports = {name: free_port() for name in SERVICES}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    signoff = bench.signoff(
        {
            **bench.kafka_environment(),
            "SIGNOFF_MOCK__URL": "",
            "SIGNOFF_NOTIFIER__BASE_URL": urls["notifier"],
            **{f"SIGNOFF_SERVICES__{name.upper()}_URL": urls[name] for name in SERVICES if name != "notifier"},
        }
    )
    applied = signoff.run("topics", "apply")
    assert applied.returncode == 0, applied.stderr
    with on_processor(processor) if processor is not None else nullcontext():
        for name in SERVICES:
            command = ("serve", name, "--port", str(ports[name]))
            if name == "diagnoser" and stubbed:
                program = [sys.executable, "-m", "benchmarks.stubbed", *command, "--data", str(signoff.data)]
                signoff.start_program(name, ["env", f"PYTHONPATH={PROJECT}", *program])
            else:
                signoff.start(name, *command)
    for name in SERVICES:
        signoff.wait_for(name, "is ready", limit=90)
    return signoff
