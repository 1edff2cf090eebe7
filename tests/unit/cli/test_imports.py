from __future__ import annotations

import subprocess
import sys

ALL_OF_UP = "cli.main, cli.up, simulation.app, uvloop, " + ", ".join(
    f"services.{name}.app" for name in ("ingest", "diagnoser", "executor", "notifier")
)
HEAVY = (
    "aiokafka",
    "alembic",
    "anthropic",
    "asyncpg",
    "boto3",
    "celpy",
    "faststream",
    "numpy",
    "playwright",
    "slack_bolt",
    "testcontainers",
)


def imported(modules: str) -> set[str]:
    """Return which modules a fresh process has after importing some."""
    program = f"import {modules}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_up_imports_nothing_heavy_that_its_default_mode_does_not_need() -> None:
    assert not imported(ALL_OF_UP) & set(HEAVY)


def test_help_imports_no_command_and_no_service() -> None:
    found = imported("cli.main; cli.main.build(); import os")

    assert not [name for name in found if name.startswith(("cli.commands", "services", "simulation", "sqlalchemy"))]
