"""`python -m tests.support.install`: fetch the real servers that the tests need.

Also where containers can be had: fault tests stop, freeze and kill a server of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.support import chromium, kafka, postgres
from tests.support.provider import MissingServerError, ProgramFailedError

WANTED: list[tuple[str, Callable[[], None]]] = [
    ("Apache Kafka", kafka.install),
    ("PostgreSQL", postgres.install),
    ("Chromium", chromium.install),
]


def main() -> int:
    """Install what is missing; print each step. Returns 1 when something cannot be had."""
    missing = 0
    for name, install in WANTED:
        print(f"{name} ...", end=" ", flush=True)  # noqa: T201 -- a command's own progress
        try:
            install()
        except (MissingServerError, ProgramFailedError) as error:
            missing += 1
            print(f"missing: {error}")  # noqa: T201 -- as above
        else:
            print("there")  # noqa: T201 -- as above
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
