"""`python -m services.ingest`: the same as `signoff serve ingest`, for images that run one service."""

from __future__ import annotations

import sys

from cli.main import main

if __name__ == "__main__":
    main(["serve", "ingest", *sys.argv[1:]])
