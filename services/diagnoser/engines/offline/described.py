"""What `kubectl describe` prints of one object, as facts: its state, its conditions and its warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from services.diagnoser.engines.offline.facts import Fact, event, instances, workload
from services.diagnoser.engines.offline.kubernetes import place, stated

_HEAD = re.compile(r"^([A-Z][\w .-]*?):[ \t]*(.*)$", re.MULTILINE)
_READY = re.compile(r"^ {2}Ready +(True|False|Unknown)\b", re.MULTILINE)
_WAITING = re.compile(r"State: +(?:Waiting|Terminated)\n\s+Reason: +(\S+)")
_COLUMNS = re.compile(r"\s{2,}")
_EVENT = 5
"""Columns of an event: type, reason, age, source, message."""


def is_described(text: str) -> bool:
    """Whether text is a printed description."""
    return text.startswith("Name:") and ("\nNamespace:" in text[:200] or "\nRoles:" in text[:200])


def described(text: str) -> Iterator[Fact]:
    """Return what a description states."""
    head: dict[str, str] = {}
    for name, value in _HEAD.findall(text):
        head.setdefault(name, value.strip())
    if "QoS Class" in head:
        yield from _pod(text, head)
    yield from _events(text, _place(head))


def _place(head: Mapping[str, str]) -> str:
    """Return what an object belongs to: of a pod or a set of them, the workload."""
    kind, _, owner = head.get("Controlled By", "").partition("/")
    return place(kind, owner) or (workload(head["Name"]) if "QoS Class" in head else head["Name"])


def _pod(text: str, head: Mapping[str, str]) -> Iterator[Fact]:
    if head.get("Status", "").split(" ")[0] in {"Succeeded", "Terminating"}:
        return
    ready = _READY.search(text)
    is_ready = ready is not None and ready[1] == "True"
    said = instances(is_ready, 1, head["Name"])
    yield Fact(0, "pods_not_ready", _place(head), said, not is_ready)
    for reason in () if is_ready else dict.fromkeys(_WAITING.findall(text)):
        yield from stated(_place(head), reason)


def _events(text: str, place: str) -> Iterator[Fact]:
    for line in text.partition("\nEvents:")[2].splitlines():
        cells = _COLUMNS.split(line.strip(), maxsplit=_EVENT - 1)
        if len(cells) == _EVENT and cells[0] == "Warning":
            yield event(place, f"{cells[1]} {cells[4]}", "", None)
