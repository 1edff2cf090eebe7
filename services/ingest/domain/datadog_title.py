"""The title of a Datadog event: `[P2] [Triggered on {host:a}] [TEST] name`, brackets in any order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_BRACKET = re.compile(r"\s*\[([^\[\]{}]{0,60}\{[^{}]{0,1000}\}|[^\]]{1,200})\]\s*")
"""A group in braces holds all tags that a monitor is split by, and whatever their values are."""
_PRIORITY = re.compile(r"P[1-5]")
_GROUP = re.compile(r"\s+on \{(.*)\}$")
_TRANSITION = re.compile(
    r"(re-?)?(triggered|warn|no data|recovered|notify|resolved|muted|unmuted|ok|alert)( recovered)?", re.IGNORECASE
)


_REMEMBERED = 500


@dataclass(slots=True)
class Head:
    """The parts of a title."""

    priority: str = ""
    transition: str = ""
    group: str = ""
    is_test: bool = False
    name: str = ""


@lru_cache(_REMEMBERED)
def read_title(title: str) -> Head:
    """Return the parts of a title. What is in brackets and is none of them belongs to the name.

    A monitor sends the same title again and again, so what is in it is remembered; nobody may change it.
    """
    head, rest = Head(), title
    while match := _BRACKET.match(rest):
        inside = match[1].strip()
        group = _GROUP.search(inside)
        bare = inside[: group.start()].strip() if group else inside
        if _PRIORITY.fullmatch(inside):
            head.priority = inside
        elif inside.upper() == "TEST":
            head.is_test = True
        elif group or _TRANSITION.fullmatch(bare):
            head.transition, head.group = bare, group[1] if group else ""
        else:
            break
        rest = rest[match.end() :]
    head.name = rest.strip()
    return head
