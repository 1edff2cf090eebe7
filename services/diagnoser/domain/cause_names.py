"""The names of causes, for who says which one it was. Pure; what a cause is made of is the engine's."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches

UNKNOWN = "unknown"
"""It was something, and nobody knows what."""
NEAR = 3
ALIKE = 0.4


def near(cause: str, causes: Collection[str]) -> list[str]:
    """Return the names that a wrong one may mean: those it is a part of first, then the most alike."""
    parts = [name for name in sorted(causes) if cause and (name.startswith(cause) or cause in re.split(r"[._]", name))]
    alike = get_close_matches(cause, sorted(causes), n=NEAR, cutoff=ALIKE)
    return list(dict.fromkeys([*parts, *alike]))[:NEAR]


def unnamed(cause: str, causes: Collection[str]) -> str:
    """Say why no cause goes by that name, or nothing if one does."""
    if cause in causes or cause == UNKNOWN:
        return ""
    told = near(cause, causes)
    return f"no cause {cause!r}; " + (f"did you mean {' or '.join(map(repr, told))}?" if told else "say `unknown`")
