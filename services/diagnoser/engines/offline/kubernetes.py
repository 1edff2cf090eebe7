"""Objects of Kubernetes as its interface gives them, and the tables its command line prints, as facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.diagnoser.domain.case import instant, number
from services.diagnoser.engines.offline.facts import (
    Fact,
    behind_its_name,
    brief,
    event,
    instances,
    items,
    word,
    workload,
)

_DONE = frozenset({"Succeeded", "Completed", "Terminating"})
"""States of an instance that is not meant to run any more."""
_PRESSURES = frozenset({"MemoryPressure", "DiskPressure", "PIDPressure"})
_RESTARTS_MANY = 3
_LATELY = re.compile(r"(?:[2-9]|\d\d+) \((?:[1-4]m)?(?:\d+s)? ?ago\)")
"""Restarts, more than one and the last of them just now: it is not ready for long."""
_COLUMNS = re.compile(r"\s{2,}|\t")


def part(value: object, *keys: str) -> Mapping[str, Any]:
    """Return the object under some keys, or an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def is_object(item: Mapping[str, Any]) -> bool:
    """Whether it is one object of Kubernetes."""
    return isinstance(item.get("metadata"), dict) and any(
        key in item for key in ("status", "involvedObject", "subsets")
    )


def facts(item: Mapping[str, Any]) -> Iterator[Fact]:
    """Return what one object states."""
    kind = word(item, "kind") or _kind(item)
    yield from _READERS.get(kind, _nothing)(item)


def _kind(item: Mapping[str, Any]) -> str:
    status = part(item, "status")
    known = (
        ("Event", "involvedObject" in item),
        ("Pod", "containerStatuses" in status or "podIP" in status),
        ("Deployment", "readyReplicas" in status or "unavailableReplicas" in status),
        ("Node", "nodeInfo" in status),
    )
    return next((kind for kind, is_it in known if is_it), "")


def _nothing(_: Mapping[str, Any]) -> Iterator[Fact]:
    yield from ()


def _name(item: Mapping[str, Any]) -> str:
    return word(part(item, "metadata"), "name")


def _owner(item: Mapping[str, Any]) -> str:
    """Return the workload of a pod: what owns it, else what its name says."""
    owners = items(part(item, "metadata").get("ownerReferences"))
    owner = next((one for one in owners if word(one, "kind") in {"StatefulSet", "DaemonSet", "Deployment"}), None)
    return word(owner, "name") if owner else workload(_name(item))


def _place(kind: str, name: str) -> str:
    """Return what an event is about: of a pod or a set of them, the workload."""
    if kind.lower() == "replicaset":
        return workload(f"{name}-00000")
    return workload(name) if kind.lower() == "pod" else name


def _pod(item: Mapping[str, Any]) -> Iterator[Fact]:
    entity, status = _owner(item), part(item, "status")
    containers = items(status.get("containerStatuses")) + items(status.get("initContainerStatuses"))
    own = items(status.get("containerStatuses"))
    is_ready = bool(own) and all(c.get("ready") is True for c in own)
    if word(status, "phase") in _DONE or part(item, "metadata").get("deletionTimestamp"):
        return
    yield Fact(0, "pods_not_ready", entity, instances(is_ready, 1, _name(item)), not is_ready)
    restarts = sum(number(c.get("restartCount")) or 0.0 for c in own)
    yield Fact(0, "restarting", entity, f"{brief(restarts)} restarts", restarts >= _RESTARTS_MANY and not is_ready)
    if is_ready:
        return
    told = [_reason(part(c, *keys)) for c in containers for keys in _STATES]
    told += [_reason(c) for c in items(status.get("conditions")) if word(c, "status") == "False"]
    for text in dict.fromkeys([*told, _reason(status)]):
        yield from stated(entity, text)


_STATES = (("state", "waiting"), ("state", "terminated"), ("lastState", "terminated"))


def _reason(state: Mapping[str, Any]) -> str:
    return f"{word(state, 'reason')} {word(state, 'message')}".strip()


def stated(entity: str, text: str) -> Iterator[Fact]:
    """Return the fact that a reason given by the system itself stands for."""
    found = event(entity, text, "", None)
    if text and found.kind and found.is_bad:
        yield Fact(0, found.kind, entity, found.text.replace("an event", "its state"), is_bad=True)


def _workload(item: Mapping[str, Any]) -> Iterator[Fact]:
    status = part(item, "status")
    told = part(item, "spec").get("replicas")
    wanted = number(told) or number(status.get("desiredNumberScheduled")) or 0.0
    ready = number(status.get("readyReplicas")) or number(status.get("numberReady")) or 0.0
    yield Fact(0, "pods_not_ready", _name(item), instances(ready, wanted), ready < wanted)
    if told is not None:
        yield Fact(0, "scaled_to_zero", _name(item), "no instance of it is wanted", not wanted)
    for condition in items(status.get("conditions")):
        if (word(condition, "type"), word(condition, "status")) == ("ReplicaFailure", "True"):
            yield from stated(_name(item), _reason(condition))


def _node(item: Mapping[str, Any]) -> Iterator[Fact]:
    conditions = {word(c, "type"): word(c, "status") for c in items(part(item, "status").get("conditions"))}
    ready = conditions.get("Ready", "True")
    pressed = sorted(kind for kind in _PRESSURES if conditions.get(kind) == "True")
    yield Fact(0, "node_down", _name(item), f"ready: {ready}", ready != "True")
    yield Fact(0, "node_pressure", _name(item), ", ".join(pressed) or "no pressure", bool(pressed))


def _event(item: Mapping[str, Any]) -> Iterator[Fact]:
    about = part(item, "involvedObject") or part(item, "regarding")
    name = word(about, "name")
    times = (item.get("lastTimestamp"), item.get("eventTime"), item.get("firstTimestamp"))
    at = next((t for value in times if (t := instant(value)) is not None), None)
    if word(item, "type") != "Normal":
        yield event(
            _place(word(about, "kind") or "Pod", name),
            f"{word(item, 'reason')} {word(item, 'message') or word(item, 'note')}",
            "",
            at,
        )


def _endpoints(item: Mapping[str, Any]) -> Iterator[Fact]:
    yield behind_its_name(_name(item), is_empty=not any(one.get("addresses") for one in items(item.get("subsets"))))


def _claim(item: Mapping[str, Any]) -> Iterator[Fact]:
    phase = word(part(item, "status"), "phase")
    yield Fact(0, "volume_missing", _name(item), f"its volume is {phase.lower()}", phase in {"Pending", "Lost"})


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Fact]]] = {
    "Pod": _pod,
    "Deployment": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Node": _node,
    "Event": _event,
    "Endpoints": _endpoints,
    "PersistentVolumeClaim": _claim,
}


def table(text: str) -> Iterator[Fact]:
    """Return what the printed tables of pods, workloads, nodes and events state."""
    head: list[str] = []
    for line in text.splitlines():
        cells = _COLUMNS.split(line.strip())
        if line[:1].isalpha() and line.isupper() and len(cells) > 2:  # noqa: PLR2004 -- a heading has several columns
            head = cells
        elif head and len(cells) >= len(head) - 1:
            yield from _row(dict(zip(head, cells, strict=False)))


def _row(row: Mapping[str, str]) -> Iterator[Fact]:
    name, status = row.get("NAME", "").rsplit("/", maxsplit=1)[-1], row.get("STATUS", "")
    ready, _, wanted = row.get("READY", "").partition("/")
    if "REASON" in row and "OBJECT" in row:
        if row.get("TYPE") != "Normal":
            kind, _, about = row["OBJECT"].partition("/")
            yield event(_place(kind, about), f"{row['REASON']} {row.get('MESSAGE', '')}", "", None)
    elif "ENDPOINTS" in row:
        yield behind_its_name(name, is_empty=row["ENDPOINTS"] == "<none>")
    elif "ROLES" in row:
        yield Fact(0, "node_down", name, f"it is {status}", not status.startswith("Ready"))
    elif ready.isdigit() and wanted.isdigit() and status not in _DONE:
        entity = workload(name) if status else name
        is_short = int(ready) < int(wanted) or _LATELY.match(row.get("RESTARTS", "")) is not None
        counted = instances(not is_short, 1, name) if status else instances(int(ready), int(wanted))
        yield Fact(0, "pods_not_ready", entity, counted, is_short)
        if status == "":
            yield Fact(0, "scaled_to_zero", entity, "no instance of it is wanted", int(wanted) == 0)
        yield from stated(entity, status) if is_short else ()
