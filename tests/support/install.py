"""`python -m tests.support.install`: fetch the real servers that the tests need and cannot get from containers."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.support import chromium, kafka, postgres
from tests.support.provider import MissingServerError, ProgramFailedError, docker_answers


def main() -> int:
    """Install what is missing; print each step. Returns 1 when something cannot be had."""
    containers = docker_answers()
    wanted: list[tuple[str, Callable[[], None]]] = [
        ("Apache Kafka", kafka.install),
        ("PostgreSQL", postgres.install),
        ("Chromium", chromium.install),
    ]
    missing = 0
    for name, install in wanted:
        print(f"{name} ...", end=" ", flush=True)  # noqa: T201 -- a command's own progress
        try:
            install()
        except (MissingServerError, ProgramFailedError) as error:
            missing += not (containers and name != "Chromium")
            print(f"missing: {error}")  # noqa: T201 -- as above
        else:
            print("there")  # noqa: T201 -- as above
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
