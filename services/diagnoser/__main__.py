"""`python -m services.diagnoser`: the same as `signoff serve diagnoser`, for images that run one service."""

from __future__ import annotations

import sys

from cli.main import main

if __name__ == "__main__":
    main(["serve", "diagnoser", *sys.argv[1:]])
