"""One collector for each kind of evidence. They know vendors by capability only, and change nothing."""

from __future__ import annotations

from services.diagnoser.collectors.changes import Changes
from services.diagnoser.collectors.infrastructure import Hosts, Processes, TopologyMap
from services.diagnoser.collectors.monitoring import DataTime, Logs, Metrics, Monitors
from services.diagnoser.collectors.on_call import OnCallDuty
from services.diagnoser.ports import Collector, DataClock
from shared.integrations.registry import Integrations


def clock(integrations: Integrations) -> DataClock:
    """Return the data clock."""
    return DataTime(integrations)


def topology(integrations: Integrations) -> Collector:
    """Return the collector that the others' entities come from."""
    return TopologyMap(integrations)


def collectors(integrations: Integrations) -> list[Collector]:
    """Return the collectors that run beside each other."""
    return [
        Metrics(integrations),
        Logs(integrations),
        Monitors(integrations),
        Changes(integrations),
        Hosts(integrations),
        Processes(integrations),
        OnCallDuty(integrations),
    ]
