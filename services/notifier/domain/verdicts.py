"""Which causes a verdict may name, as a page offers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Protocol

UNKNOWN = "unknown"


class Named(Protocol):
    """A cause of the catalogue."""

    @property
    def id(self) -> str:
        """Its id, `family.name`."""
        ...

    @property
    def title(self) -> str:
        """What it is called."""
        ...


Group = tuple[str, list[tuple[str, str]]]
"""A heading, and under it the id and the text of each choice."""


def choices(diagnosis: Mapping[str, Any] | None, causes: Iterable[Named]) -> list[Group]:
    """Return what may be chosen: what was diagnosed first, then the catalogue by family, each cause once."""
    said = {one["cause"]: one["title"] for one in (diagnosis or {}).get("causes", ()) if one["cause"] != UNKNOWN}
    rest = sorted((one for one in causes if one.id not in said), key=lambda one: one.id)
    groups: list[Group] = [("Diagnosed", [(name, _text(name, title)) for name, title in said.items()])] if said else []
    for family, members in groupby(rest, key=lambda one: one.id.partition(".")[0]):
        groups.append((_heading(family), [(one.id, _text(one.id, one.title)) for one in members]))
    return [*groups, ("None of these", [(UNKNOWN, "another cause, or nobody knows")])]


def _text(name: str, title: str) -> str:
    return f"{name}: {title}" if title else name


def _heading(family: str) -> str:
    return family.replace("_", " ").capitalize()
