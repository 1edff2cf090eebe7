"""Whom the errors of a log say to be out of reach, though no topology knows them: names of hosts, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from services.diagnoser.engines.offline.logs import SURGE, Shape
from services.diagnoser.engines.offline.topology import Map

OUT_OF_REACH = re.compile(
    r"(?i)refused|unavailable|unreachable|timed? ?out|no instances?|connection reset|(failed|unable) to connect"
    r"|could ?n[o']t connect|cannot connect|no such host|\b50[234]\b|i/o error"
)
_HOST = re.compile(
    r"(?i)(?:https?://|(?:\bto|\bat|\bhost:?|\beconn\w+\)?) (?=[\w.-]+:(?:\d|<)))([a-z][a-z0-9-]*(?:\.[a-z0-9-]+)*)"
)
_OWN = frozenset({"cluster", "corp", "internal", "lan", "local", "localhost", "svc"})
"""Last parts of names that are not to be found outside."""
LONGEST = 80


def add_remotes(shapes: Iterable[Shape], chart: Map) -> None:
    """Enter into a map without edges the hosts that errors name; who wrote of one calls it."""
    if chart.kinds or chart.callees:
        return
    for shape in shapes:
        if shape.level != "error" or shape.surge < SURGE or not OUT_OF_REACH.search(shape.template):
            continue
        for name in _HOST.findall(shape.template):
            if name == shape.entity or len(name) > LONGEST:
                continue
            shape.mentions.add(name)
            chart.kinds.setdefault(name, "external" if _is_outside(name) else "")
            if shape.entity and shape.entity not in chart.callers.get(name, ()):
                chart.callers.setdefault(name, []).append(shape.entity)
                chart.callees.setdefault(shape.entity, []).append(name)


def _is_outside(name: str) -> bool:
    """Whether a name is one of the whole world's and not only of a network of one's own."""
    last = name.rsplit(".", maxsplit=1)[-1].lower()
    return "." in name and last.isalpha() and last not in _OWN
