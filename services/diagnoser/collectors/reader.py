"""What every collector has: one capability, and whoever provides it in an environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from shared.integrations.registry import Integrations

P = TypeVar("P")


class Reader(Generic[P]):
    """Reads from the provider of one capability."""

    def __init__(self, integrations: Integrations, capability: Callable[..., P]) -> None:
        self._integrations = integrations
        self._capability = capability

    def missing(self, environment: str) -> str:
        """Return why nothing can be read in an environment; empty when a provider is connected."""
        return self._integrations.gap(self._capability, environment)

    def provider(self, environment: str) -> P:
        """Return the provider. Raises NotFoundError when none is connected."""
        return self._integrations.get(self._capability, environment)
