"""`signoff up` whose world has secrets in what it says: python -m tests.resilience.leaky_up DATA FIXTURES."""

from __future__ import annotations

import sys
from pathlib import Path

from cli import up
from cli.composition import run

if __name__ == "__main__":
    data, fixtures = map(Path, sys.argv[1:])
    vars(up)["FIXTURES"] = fixtures
    sys.exit(run(lambda stop: up.run_up(data, up.Ports(0, 0, any_port=True), stop, replay=None)))
