"""One collector for each kind of evidence. They know vendors by capability only, and change nothing."""

from __future__ import annotations

from services.diagnoser.collectors.changes import Changes
from services.diagnoser.collectors.infrastructure import Hosts, Processes, TopologyMap
from services.diagnoser.collectors.knowledge import Articles
from services.diagnoser.collectors.monitoring import DataTime, Logs, Metrics, Monitors
from services.diagnoser.collectors.on_call import OnCallDuty
from services.diagnoser.ports import Collector, DataClock
from shared.integrations.reading import (
    AlertingProvider,
    ChangeProvider,
    InfrastructureReader,
    KnowledgeProvider,
    MonitoringProvider,
)
from shared.integrations.registry import Integrations


def clock(integrations: Integrations) -> DataClock:
    """Return the data clock."""
    return DataTime(integrations, MonitoringProvider)


def topology(integrations: Integrations) -> Collector:
    """Return the collector that the others' entities come from."""
    return TopologyMap(integrations, InfrastructureReader)


def collectors(integrations: Integrations) -> list[Collector]:
    """Return the collectors that run beside each other."""
    return [
        Metrics(integrations, MonitoringProvider),
        Logs(integrations, MonitoringProvider),
        Monitors(integrations, MonitoringProvider),
        Changes(integrations, ChangeProvider),
        Hosts(integrations, InfrastructureReader),
        Processes(integrations, InfrastructureReader),
        OnCallDuty(integrations, AlertingProvider),
        Articles(integrations, KnowledgeProvider),
    ]
