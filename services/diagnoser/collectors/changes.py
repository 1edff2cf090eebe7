"""Deploys and other changes."""

from __future__ import annotations

from datetime import timedelta

from services.diagnoser.collectors.reader import Reader
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.ports import Scene
from shared.integrations.reading import ChangeProvider, Window

BACK = timedelta(days=3)
"""How long before now a change may lie; slow leaks show days later."""


class Changes(Reader[ChangeProvider]):
    """Every change of the last days, near or far: what is far may explain what is near."""

    name = "changes"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `changes`."""
        provider = self.provider(scene.environment)
        end = scene.window.end
        return {
            "changes": [
                {
                    "id": change.id,
                    "at": change.at.timestamp(),
                    "kind": change.kind,
                    "entity": change.entity,
                    "title": change.title,
                    "author": change.author,
                    "details": {
                        "version_to": change.version,
                        "version_from": change.previous_version,
                        "hosts": list(change.hosts),
                    },
                }
                for change in await provider.changes(Window(end - BACK, end))
            ]
        }
