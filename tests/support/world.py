"""An outside world for tests: files that only grow and survive whoever writes them."""

from __future__ import annotations

import os
from pathlib import Path


def append_line(path: Path, line: str) -> None:
    """Add a line that is on disk when this returns."""
    with path.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def lines(path: Path) -> list[str]:
    """Return all lines, none when nothing was written yet."""
    return path.read_text("utf-8").split() if path.exists() else []
