"""`python -m services.notifier`: the same as `signoff serve notifier`, for images that run one service."""

from __future__ import annotations

import sys

from cli.main import main

if __name__ == "__main__":
    main(["serve", "notifier", *sys.argv[1:]])
