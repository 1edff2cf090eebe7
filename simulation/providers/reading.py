"""Reading the simulated world."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.incident.enums import AlertStatus
from shared.incident.evidence import MetricTimeSeries
from shared.integrations.articles import best
from shared.integrations.reading import (
    AlertingProvider,
    CallRecord,
    Change,
    ChangeProvider,
    Host,
    InfrastructureReader,
    KnowledgeProvider,
    LogLine,
    MonitoringProvider,
    MonitorState,
    OnCall,
    Passage,
    Process,
    Topology,
    Window,
)
from simulation.providers.client import RunClient


def _span(window: Window) -> dict[str, float]:
    return {"start": window.start.timestamp(), "end": window.end.timestamp()}


class SimulatedMonitoring(RunClient, MonitoringProvider):
    """Metrics, logs and monitors of one run."""

    async def now(self) -> datetime:
        return datetime.fromtimestamp((await self.ask("clock"))["now"], UTC)

    async def pace(self) -> float:
        return float((await self.ask("clock"))["pace"])

    async def series(self, entities: Sequence[str], window: Window) -> list[MetricTimeSeries]:
        found = await self.ask("series", {"entities": list(entities), **_span(window)})
        return [MetricTimeSeries.model_validate(series) for series in found]

    async def logs(self, entities: Sequence[str], window: Window, *, limit: int = 5000) -> list[LogLine]:
        found = await self.ask("logs", {"entities": list(entities), "limit": limit, **_span(window)})
        return [LogLine(**line | {"at": datetime.fromisoformat(line["at"])}) for line in found]

    async def monitors(self) -> list[MonitorState]:
        now = await self.now()
        return [
            MonitorState(m["id"], m["title"], AlertStatus.FIRING, now, m["entity"]) for m in await self.ask("monitors")
        ]


class SimulatedChanges(RunClient, ChangeProvider):
    """Deploys of one run."""

    async def changes(self, window: Window) -> list[Change]:
        found = await self.ask("changes", _span(window))
        return [
            Change(**change | {"at": datetime.fromisoformat(change["at"]), "hosts": tuple(change["hosts"])})
            for change in found
        ]


class SimulatedInfrastructure(RunClient, InfrastructureReader):
    """Hosts and processes of one run."""

    async def hosts(self, names: Sequence[str]) -> list[Host]:
        found = await self.ask("hosts", {"names": list(names)})
        return [Host(host["name"], tuple(host["services"]), host["facts"]) for host in found]

    async def processes(self, host: str) -> list[Process]:
        found = await self.ask("processes", {"host": host})
        return [Process(**process | {"started_at": datetime.fromisoformat(process["started_at"])}) for process in found]

    async def topology(self) -> Topology:
        found = await self.ask("topology")
        return Topology(found["entities"], tuple((a, b, kind) for a, b, kind in found["edges"]))

    async def find_call(self, token: str) -> CallRecord | None:
        found = await self.ask("record", {"token": token})
        return None if found is None else CallRecord(**found | {"at": datetime.fromisoformat(found["at"])})


class SimulatedAlerting(RunClient, AlertingProvider):
    """On-call duty of one run."""

    async def on_call(self, services: Sequence[str]) -> list[OnCall]:
        return [OnCall(**entry) for entry in await self.ask("on-call") if not services or entry["service"] in services]


class SimulatedKnowledge(RunClient, KnowledgeProvider):
    """What is written in the world of one run."""

    async def search(self, words: Sequence[str], *, limit: int = 5) -> list[Passage]:
        return best([Passage(**entry) for entry in await self.ask("articles")], words, limit=limit)
