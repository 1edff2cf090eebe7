"""Which provider serves which environment: the simulated world for `sim:*`, configured vendors for `live`.

A provider is named `module:Class` and loaded when first asked for; its class takes (environment, settings). So a
process imports only the vendors it uses, and no live request can reach the simulated world or the other way round.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.errors import NotFoundError
from shared.incident.model import is_simulated

P = TypeVar("P")

SIMULATED: Mapping[str, str] = {
    "MonitoringProvider": "simulation.providers.reading:SimulatedMonitoring",
    "ChangeProvider": "simulation.providers.reading:SimulatedChanges",
    "InfrastructureReader": "simulation.providers.reading:SimulatedInfrastructure",
    "AlertingProvider": "simulation.providers.reading:SimulatedAlerting",
    "KnowledgeProvider": "simulation.providers.reading:SimulatedKnowledge",
    "InfrastructureActuator": "simulation.providers.acting:SimulatedActuator",
    "CommunicationProvider": "simulation.providers.acting:SimulatedSlack",
}


@dataclass(slots=True)
class Integrations:
    """Providers by capability and environment; one cached instance each, closed at stop.

    `live` maps a capability's class name to `module:Class` for the vendors whose mode is live. `settings` goes to each
    provider as it is: for the simulated ones it holds `world_url` and `world_token`.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)
    _cache: dict[tuple[str, str], Any] = field(default_factory=dict)

    def find(self, capability: Callable[..., P], environment: str) -> P | None:
        """Return the provider, or None when the environment has none connected.

        `capability` is an abstract class; the annotation is wider because mypy takes none of those for a type.
        """
        name = _name(capability)
        place = self._place(name, environment)
        if place is None:
            return None
        key = (environment, name)
        if key not in self._cache:
            module, _, attribute = place.partition(":")
            self._cache[key] = getattr(importlib.import_module(module), attribute)(environment, self.settings)
        provider: P = self._cache[key]
        return provider

    def get(self, capability: Callable[..., P], environment: str) -> P:
        """Return the provider. Raises NotFoundError when none is connected."""
        provider = self.find(capability, environment)
        if provider is None:
            raise NotFoundError(self.gap(capability, environment))
        return provider

    def gap(self, capability: Callable[..., Any], environment: str) -> str:
        """Return why the environment has no provider, empty when it has one. Loads nothing."""
        name = _name(capability)
        return "" if self._place(name, environment) else f"no {name} is connected for environment {environment!r}"

    def _place(self, name: str, environment: str) -> str | None:
        return (SIMULATED if is_simulated(environment) else self.live).get(name)

    async def close(self) -> None:
        """Close every provider that has an `aclose`."""
        for provider in self._cache.values():
            close = getattr(provider, "aclose", None)
            if close is not None:
                await close()
        self._cache.clear()


def _name(capability: Callable[..., Any]) -> str:
    return str(getattr(capability, "__name__", capability))
