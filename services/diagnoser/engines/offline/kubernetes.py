"""Objects of Kubernetes as its interface, and tools around it, give them, and the tables its command line prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from services.diagnoser.domain.case import instant, number
from services.diagnoser.engines.offline.facts import (
    OF_NODES,
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
_RESTARTS_MANY = 3
_LATELY = re.compile(r"(?:[2-9]|\d\d+) \((?:[1-4]m)?(?:\d+s)? ?ago\)")
"""Restarts, more than one and the last of them just now: it is not ready for long."""
_COLUMNS = re.compile(r"\s{2,}|\t")
_INNER = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PARTS = ("status", "spec", "metadata")
_TIMES = ("last_timestamp", "event_time", "first_timestamp", "last_time", "date", "first_time")
_KINDS = (
    ("Event", {"message", "involved_object"}),
    ("Event", {"message", "source_identifier"}),
    ("Pod", {"phase", "containers"}),
    ("Pod", {"container_statuses"}),
    ("Pod", {"pod_ip"}),
    ("Deployment", {"ready", "desired"}),
    ("Deployment", {"ready_replicas"}),
    ("Deployment", {"unavailable_replicas"}),
    ("Node", {"disk_pressure"}),
    ("Node", {"memory_pressure"}),
    ("Node", {"node_info"}),
)
"""What objects that do not name their kind are told by."""


def flat(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an object side by side and with names of one form: Kubernetes nests them, tools do not."""
    inner = [value for key in _PARTS if isinstance(value := item.get(key), dict)]
    fields = {key: value for one in (*inner, item) for key, value in one.items() if value not in inner}
    return {_INNER.sub("_", str(key)).lower(): value for key, value in fields.items()}


def kind_of(item: Mapping[str, Any]) -> str:
    """Return what kind of object it is that this can read; nothing if it is none."""
    fields = flat(item)
    kind = word(item, "kind")
    is_named = kind in _READERS and "metadata" in item
    return kind if is_named else next((name for name, keys in _KINDS if keys <= fields.keys()), "")


def facts(item: Mapping[str, Any]) -> Iterator[Fact]:
    """Return what one object states."""
    yield from _READERS[kind_of(item)](flat(item))


def _owner(item: Mapping[str, Any]) -> str:
    """Return the workload of a pod: what owns it, else what its name says."""
    owners = items(item.get("owner_references"))
    owner = next((one for one in owners if word(one, "kind") in {"StatefulSet", "DaemonSet", "Deployment"}), None)
    return word(owner, "name") if owner else workload(word(item, "name"))


def place(kind: str, name: str) -> str:
    """Return what an event is about: of a pod or a set of them, the workload."""
    if kind.lower() == "replicaset":
        return workload(f"{name}-00000")
    return workload(name) if kind.lower() == "pod" else name


def _pod(item: Mapping[str, Any]) -> Iterator[Fact]:
    if word(item, "phase") in _DONE or item.get("deletion_timestamp"):
        return
    entity = _owner(item)
    containers = [flat(one) for one in items(item.get("container_statuses") or item.get("containers"))]
    is_ready = bool(containers) and all(one.get("ready") is True for one in containers)
    yield Fact(0, "pods_not_ready", entity, instances(is_ready, 1, word(item, "name")), not is_ready)
    restarts = sum(number(one.get("restart_count")) or 0.0 for one in containers)
    yield Fact(0, "restarting", entity, f"{brief(restarts)} restarts", restarts >= _RESTARTS_MANY and not is_ready)
    for text in () if is_ready else dict.fromkeys(_reasons(item)):
        yield from stated(entity, text)


def _reasons(value: object) -> Iterator[str]:
    """Return all the reasons that something is not as it should be."""
    if isinstance(value, list):
        for one in value:
            yield from _reasons(one)
    elif isinstance(value, dict) and value.get("status") != "True":
        yield _reason(value)
        for one in value.values():
            yield from _reasons(one)


def _reason(item: Mapping[str, Any]) -> str:
    return f"{word(item, 'reason')} {word(item, 'message')}".strip()


def stated(entity: str, text: str) -> Iterator[Fact]:
    """Return the fact that a reason given by the system itself stands for."""
    found = event(entity, text, "", None)
    if text and found.kind and found.is_bad and found.kind not in OF_NODES:
        yield Fact(0, found.kind, entity, found.text.replace("an event", "its state"), is_bad=True)


def _workload(item: Mapping[str, Any]) -> Iterator[Fact]:
    name, told = word(item, "name"), item.get("replicas")
    wanted, ready = (
        next((count for key in keys if (count := number(item.get(key)))), 0.0)
        for keys in (("replicas", "desired_number_scheduled", "desired"), ("ready_replicas", "number_ready", "ready"))
    )
    yield Fact(0, "pods_not_ready", name, instances(ready, wanted), ready < wanted)
    if told is not None:
        yield Fact(0, "scaled_to_zero", name, "no instance of it is wanted", not wanted)
    for condition in items(item.get("conditions")):
        if (word(condition, "type"), word(condition, "status")) == ("ReplicaFailure", "True"):
            yield from stated(name, _reason(condition))


def _node(item: Mapping[str, Any]) -> Iterator[Fact]:
    name = word(item, "name")
    told = {word(one, "type").lower(): one.get("status") for one in items(item.get("conditions"))} or item
    ready = str(told.get("ready", "True"))
    pressed = sorted(key for key, value in told.items() if key.endswith("pressure") and str(value).lower() == "true")
    yield Fact(0, "node_down", name, f"ready: {ready}", ready.lower() != "true")
    yield Fact(0, "node_pressure", name, ", ".join(pressed) or "no pressure", bool(pressed))


def _event(item: Mapping[str, Any]) -> Iterator[Fact]:
    about = item.get("involved_object") or item.get("regarding")
    if isinstance(about, dict):
        kind, name = word(about, "kind"), word(about, "name")
    else:
        kind, _, name = word(item, "involved_object").rpartition("/")
    at = next((t for key in _TIMES if (t := instant(item.get(key))) is not None), None)
    if word(item, "type") != "Normal":
        about = word(item, "source_identifier") or place(kind or "Pod", name)
        yield event(about, f"{word(item, 'reason')} {word(item, 'message') or word(item, 'note')}", "", at)


def _endpoints(item: Mapping[str, Any]) -> Iterator[Fact]:
    is_empty = not any(one.get("addresses") for one in items(item.get("subsets")))
    yield behind_its_name(word(item, "name"), is_empty=is_empty)


def _claim(item: Mapping[str, Any]) -> Iterator[Fact]:
    phase = word(item, "phase")
    yield Fact(0, "volume_missing", word(item, "name"), f"its volume is {phase.lower()}", phase in {"Pending", "Lost"})


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
            yield event(place(kind, about), f"{row['REASON']} {row.get('MESSAGE', '')}", "", None)
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
