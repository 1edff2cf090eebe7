"""Who caused something: a person or a named automation."""

from __future__ import annotations

from typing import Literal

from shared.incident.model import Model


class Actor(Model):
    """A person by `people.yaml` id, or an automation by its service name."""

    kind: Literal["person", "automation"]
    id: str
    name: str = ""

    @property
    def label(self) -> str:
        """What a page shows."""
        return self.name or self.id


def automation(service: str) -> Actor:
    """Return the actor for something `service` did by itself."""
    return Actor(kind="automation", id=service, name=service)
