"""Migrations of the store's tables. Alembic is imported in a child process only: no service pays for it at start."""

from __future__ import annotations

import subprocess
import sys

from shared.errors import ConfigurationError
from shared.store.schema import REVISION

LIMIT = 600.0
"""Seconds a migration may take."""


def migrate(url: str, schema: str, found: str) -> None:
    """Bring a database from revision `found` to the newest. Raises ConfigurationError when it cannot.

    The address goes through standard input, where no list of processes shows its password.
    """
    child = subprocess.run(
        [sys.executable, "-m", "shared.store.migrations"],
        input=f"{url}\n{schema}\n",
        text=True,
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    if child.returncode != 0:
        why = child.stderr.strip().rpartition("\n")[2][:300]
        raise ConfigurationError(
            f"the store of {schema} is at revision {found}, this version needs {REVISION}, and migrating failed: {why}"
        )
