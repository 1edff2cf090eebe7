"""The frozen configuration of the notifier's transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.incident.model import is_simulated


@dataclass(frozen=True, slots=True)
class Config:
    """`simulated` and `live` name the channels of an environment; `answer_seconds` is how long a ruling may take."""

    base_url: str
    simulated: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    answer_seconds: float = 10.0
    keys: Mapping[str, Ed25519PublicKey] = field(default_factory=dict, repr=False)
    """Key id -> the key by which people's words are signed here."""

    def channels(self, environment: str) -> tuple[str, ...]:
        """Return where people are told of an incident."""
        return self.simulated if is_simulated(environment) else self.live
