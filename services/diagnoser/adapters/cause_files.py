"""Which causes the catalogue names. Its files are read whole in the engine's process only: here names are enough."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

CAUSES = Path(__file__).parents[1] / "causes"
_NAMED = re.compile(r"^  - id: (\S+)\n(?:    (?!title:).*\n)*    title: (.+)$", re.MULTILINE)
_OPEN = re.compile(r"\{\w+\}")


@cache
def cause_titles() -> Mapping[str, str]:
    """Return what each cause is called, by its id; places and changes that it would name are left open."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(CAUSES.glob("*.yaml")))
    found = (pair for text in texts for pair in _NAMED.findall(text))
    return {name: _OPEN.sub("…", title.strip("\"'")) for name, title in found}


@cache
def cause_names() -> frozenset[str]:
    """Return the ids of all causes."""
    return frozenset(cause_titles())
