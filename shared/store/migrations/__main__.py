"""Migrate one database to the newest revision: address and schema are the two lines of standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config


def main() -> None:
    """Run the migrations."""
    url, schema = sys.stdin.read().splitlines()[:2]
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes.update(url=url, schema=schema)
    command.upgrade(config, "head")


if __name__ == "__main__":
    main()
