"""Topology, hosts and processes."""

from __future__ import annotations

import asyncio
from typing import Any

from services.diagnoser.collectors.reader import Reader
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.ports import Scene
from shared.errors import NotFoundError
from shared.integrations.reading import Host, InfrastructureReader, Process

HOSTS_MAX = 20
"""Hosts whose processes are listed, those of the incident first."""


class TopologyMap(Reader[InfrastructureReader]):
    """What calls or runs on what."""

    name = "topology"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `topology`."""
        found = await self.provider(scene.environment).topology()
        return {
            "topology": {
                "entities": [{"id": name, "kind": kind} for name, kind in found.entities.items()],
                "edges": [{"src": a, "dst": b, "kind": kind} for a, b, kind in found.edges],
            }
        }


class Hosts(Reader[InfrastructureReader]):
    """The hosts among the entities, with their facts."""

    name = "hosts"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `raw.hosts`."""
        reader = self.provider(scene.environment)
        # Without names the reader would list every host there is.
        found = await reader.hosts(scene.entities) if scene.entities else []
        return {"raw": {"hosts": [_host(host) for host in found]}}


class Processes(Reader[InfrastructureReader]):
    """What runs on the hosts, and since when."""

    name = "processes"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `raw.state` with one fact of kind `process` for each."""
        reader = self.provider(scene.environment)
        hosts = await reader.hosts(scene.entities) if scene.entities else []
        order = {name: place for place, name in enumerate(scene.entities)}
        names = sorted((host.name for host in hosts), key=lambda name: order.get(name, len(order)))[:HOSTS_MAX]
        found = await asyncio.gather(*(_processes(reader, name) for name in names))
        at = scene.window.end.timestamp()
        return {"raw": {"state": [_process(process, at) for processes in found for process in processes]}}


async def _processes(reader: InfrastructureReader, host: str) -> list[Process]:
    try:
        return await reader.processes(host)
    except NotFoundError:
        return []  # It went away since it was listed.


def _host(host: Host) -> dict[str, Any]:
    return {**host.facts, "id": host.name, "services": list(host.services)}


def _process(process: Process, at: float) -> dict[str, Any]:
    return {
        "at": at,
        "entity": process.host,
        "kind": "process",
        "name": process.name,
        "pid": process.pid,
        "service": process.service,
        "started_at": process.started_at.timestamp(),
        "cpu_percent": process.cpu_percent,
        "memory_bytes": process.memory_bytes,
    }
