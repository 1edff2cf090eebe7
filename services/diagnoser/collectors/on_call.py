"""Who is on call."""

from __future__ import annotations

from services.diagnoser.collectors.reader import Reader
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.ports import Scene
from shared.integrations.reading import AlertingProvider


class OnCallDuty(Reader[AlertingProvider]):
    """Who is on call for the services of the incident."""

    name = "on-call"

    async def collect(self, scene: Scene) -> CaseJSON:
        """Return `raw.on_call`, one entry for each service."""
        provider = self.provider(scene.environment)
        duty: dict[str, dict[int, str]] = {}
        for entry in await provider.on_call(scene.services) if scene.services else ():
            duty.setdefault(entry.service, {})[entry.level] = entry.person
        return {
            "raw": {
                "on_call": [
                    {"team": service, "primary": levels.get(1, ""), "secondary": levels.get(2, ""), "owns": [service]}
                    for service, levels in duty.items()
                ]
            }
        }
