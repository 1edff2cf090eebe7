"""What the executor needs from outside to read; acting is not among it, that is `actions` alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from shared.integrations.reading import InfrastructureReader, MonitoringProvider


class Outside(Protocol):
    """The systems of an environment."""

    def monitoring(self, environment: str) -> MonitoringProvider:
        """Return where metrics are read. Raises NotFoundError when nothing is connected."""
        ...

    def infrastructure(self, environment: str) -> InfrastructureReader:
        """Return where hosts, processes and the record of calls are read. Raises NotFoundError as above."""
        ...

    def verbs(self, environment: str) -> Collection[str] | None:
        """Return the verbs that can be called; None when nothing there can be changed by us."""
        ...
