"""Which causes the catalogue names. Its files are read whole in the engine's process only: here names are enough."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

CAUSES = Path(__file__).parents[1] / "causes"
_ID = re.compile(r"^  - id: (\S+)$", re.MULTILINE)


@cache
def cause_names() -> frozenset[str]:
    """Return the ids of all causes."""
    return frozenset(name for path in CAUSES.glob("*.yaml") for name in _ID.findall(path.read_text(encoding="utf-8")))
