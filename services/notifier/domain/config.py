"""The frozen configuration of the notifier's transitions."""

from __future__ import annotations

from dataclasses import dataclass

from shared.incident.model import is_simulated


@dataclass(frozen=True, slots=True)
class Config:
    """`simulated` and `live` name the channels of an environment; `answer_seconds` is how long a ruling may take."""

    base_url: str
    simulated: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    answer_seconds: float = 10.0

    def channels(self, environment: str) -> tuple[str, ...]:
        """Return where people are told of an incident."""
        return self.simulated if is_simulated(environment) else self.live
