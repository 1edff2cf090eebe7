"""Who runs where and who needs whom, and how harm travels along it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.diagnoser.domain.case import Case

_PLACED = frozenset({"runs_on", "stored_on", "in_zone"})
_VIEWS = frozenset({"remote_view", "edge_view", "client_view"})
_MACHINES = frozenset({"host", "node", "vm", "instance", "pod", "container"})


@dataclass(slots=True)
class Map:
    """The topology as lookups, each in the order of the case."""

    kinds: dict[str, str] = field(default_factory=dict)
    callees: dict[str, list[str]] = field(default_factory=dict)
    callers: dict[str, list[str]] = field(default_factory=dict)
    machines: dict[str, list[str]] = field(default_factory=dict)
    """Entity -> where it runs."""
    tenants: dict[str, list[str]] = field(default_factory=dict)
    """Machine -> what runs there."""
    _suffering: dict[str, set[str]] = field(default_factory=dict)

    def is_view(self, entity: str) -> bool:
        """Whether it is only how others see a thing, and so never the cause."""
        return self.kinds.get(entity, "") in _VIEWS

    def is_machine(self, entity: str) -> bool:
        """Whether it is something that others run on."""
        return self.kinds.get(entity, "") in _MACHINES or entity in self.tenants

    def near(self, entity: str) -> list[str]:
        """Return the entity, where it runs, and what runs on it."""
        return [entity, *self.machines.get(entity, ()), *self.tenants.get(entity, ())]

    def peers(self, machine: str) -> list[str]:
        """Return the other machines that run the same things."""
        found = [m for tenant in self.tenants.get(machine, ()) for m in self.machines.get(tenant, ())]
        return [m for m in dict.fromkeys(found) if m != machine]

    def sufferers(self, entity: str) -> set[str]:
        """Return everybody who feels it when `entity` is in trouble: what runs there, and all who call that."""
        if entity not in self._suffering:
            start = [entity, *self.machines.get(entity, ())]
            self._suffering[entity] = self._reach(start, (self.tenants, self.callers))
        return self._suffering[entity]

    def feeds(self, entity: str) -> set[str]:
        """Return everybody whose trouble `entity` would feel."""
        return self._reach([entity], (self.machines, self.callees)) - {entity}

    @staticmethod
    def _reach(start: Iterable[str], ways: tuple[dict[str, list[str]], ...]) -> set[str]:
        seen, waiting = set(start), list(start)
        while waiting:
            entity = waiting.pop()
            for way in ways:
                fresh = [other for other in way.get(entity, ()) if other not in seen]
                seen.update(fresh)
                waiting += fresh
        return seen


def map_of(case: Case) -> Map:
    """Return the topology of a case."""
    found = Map(kinds={entity.id: entity.kind for entity in case.topology.entities if entity.id})
    for edge in case.topology.edges:
        if not edge.src or not edge.dst:
            continue
        forth, back = (found.machines, found.tenants) if edge.kind in _PLACED else (found.callees, found.callers)
        forth.setdefault(edge.src, []).append(edge.dst)
        back.setdefault(edge.dst, []).append(edge.src)
    _add_instances(found, case)
    return found


def _add_instances(found: Map, case: Case) -> None:
    """Add where things run that the topology does not tell and the list of instances does."""
    pods = case.raw.get("pods")
    for item in pods if isinstance(pods, list) else ():
        entity, host = (item.get("entity"), item.get("host")) if isinstance(item, dict) else (None, None)
        if isinstance(entity, str) and isinstance(host, str) and host and host not in found.machines.get(entity, ()):
            found.machines.setdefault(entity, []).append(host)
            found.tenants.setdefault(host, []).append(entity)
