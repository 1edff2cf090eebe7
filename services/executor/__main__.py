"""`python -m services.executor`: the same as `signoff serve executor`, for images that run one service."""

from __future__ import annotations

import sys

from cli.main import main

if __name__ == "__main__":
    main(["serve", "executor", *sys.argv[1:]])
