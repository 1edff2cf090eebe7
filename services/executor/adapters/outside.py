"""The port `Outside` over the registry of integrations."""

from __future__ import annotations

from collections.abc import Callable, Collection

from shared.integrations.reading import InfrastructureReader, MonitoringProvider
from shared.integrations.registry import Integrations


class ConnectedOutside:
    """Readers come from the registry; which verbs there are is asked of `actions`, which alone knows actuators."""

    def __init__(self, integrations: Integrations, verbs: Callable[[str], Collection[str] | None]) -> None:
        self._integrations = integrations
        self._verbs = verbs

    def monitoring(self, environment: str) -> MonitoringProvider:
        return self._integrations.get(MonitoringProvider, environment)

    def infrastructure(self, environment: str) -> InfrastructureReader:
        return self._integrations.get(InfrastructureReader, environment)

    def verbs(self, environment: str) -> Collection[str] | None:
        return self._verbs(environment)
