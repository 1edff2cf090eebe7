"""One thing has many names: a pod, an address, a path, an ARN. What is known under one of them is meant by all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from services.diagnoser.domain.case import Case, CaseAlert, CaseChange, CaseEvent, CaseLog, CaseSeries
from services.diagnoser.engines.offline.facts import items, word, workload

Named = TypeVar("Named", CaseAlert, CaseChange, CaseEvent, CaseLog, CaseSeries)
_POD = re.compile(r"-[a-z0-9]{6,10}-[a-z0-9]{5}$|-[bcdfghjklmnpqrstvwxz2456789]{5}$|-\d{1,3}$")
_ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^@/]*@)?([^/:@]+)(?::\d+)?(?:/.*)?$", re.IGNORECASE)


def canonical(case: Case) -> Case:
    """Return a case in which each entity has the name by which topology, alerts or changes know it."""
    pods = {word(pod, "pod"): word(pod, "entity") for pod in _pods(case)}
    ids = [entity.id for entity in case.topology.entities]
    ids += [end for edge in case.topology.edges for end in (edge.src, edge.dst)]
    others = [*pods.values(), *(alert.entity for alert in case.alerts), *(change.entity for change in case.changes)]
    known = {name.lower(): name for name in reversed([*ids, *(n for n in others if not is_pod(n))]) if name}
    names: dict[str, str] = {}

    def name_of(name: str) -> str:
        if name not in names:
            names[name] = next((known[c.lower()] for c in _candidates(name, pods) if c.lower() in known), name)
        return names[name]

    def one(item: Named) -> Named:
        better = name_of(item.entity) if item.entity else ""
        return item if better == item.entity else item.model_copy(update={"entity": better})

    def line(item: CaseLog) -> CaseLog:
        if item.entity or not item.pod:
            return one(item)
        return item.model_copy(update={"entity": pods.get(item.pod) or name_of(workload(item.pod))})

    return case.model_copy(
        update={
            "alerts": tuple(map(one, case.alerts)),
            "metrics": tuple(map(one, case.metrics)),
            "logs": tuple(map(line, case.logs)),
            "logs_baseline": tuple(map(line, case.logs_baseline)),
            "changes": tuple(map(one, case.changes)),
            "events": tuple(map(one, case.events)),
        }
    )


def placed(case: Case) -> Case:
    """Return a case whose releases say where they took effect, as far as only some instances have the new version."""
    found = []
    for change in case.changes:
        version, own = change.details.get("version_to"), [p for p in _pods(case) if word(p, "entity") == change.entity]
        new = [
            place for p in own if word(p, "version") == version for place in (word(p, "host"), word(p, "pod")) if place
        ]
        if change.hosts or not new or all(word(p, "version") == version for p in own):
            found.append(change)
        else:
            found.append(change.model_copy(update={"details": {**change.details, "hosts": list(dict.fromkeys(new))}}))
    return case.model_copy(update={"changes": tuple(found)})


def is_pod(name: str) -> bool:
    """Whether a name looks like that of one instance of many."""
    return _POD.search(name) is not None


def _pods(case: Case) -> list[Mapping[str, Any]]:
    return items(case.raw.get("pods"))


def _candidates(name: str, pods: Mapping[str, str]) -> Iterator[str]:
    """Return what a name may mean, the nearest first."""
    yield name
    yield pods.get(name, "")
    last = re.split(r"[/|]", name.rstrip("/"))[-1]
    yield last
    yield workload(last) if is_pod(last) else ""
    address = _ADDRESS.match(name)
    if address and not name.startswith("arn:"):
        yield address[1]
        yield address[1].split(".")[0]
    yield name.rsplit(":", maxsplit=1)[-1]
