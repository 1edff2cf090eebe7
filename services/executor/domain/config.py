"""The frozen configuration of the executor's transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.executor.domain.policy import Policy
from shared.runtime.people import People


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """Policy, people and the keys whose signatures count."""

    policy: Policy
    people: People
    trusted: Mapping[str, Ed25519PublicKey]
    """Key id -> key; two while one replaces the other."""
    valid: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Key id -> from when until when it counts, in seconds since the epoch; a key without an entry always counts."""

    def keys_at(self, now: float) -> dict[str, Ed25519PublicKey]:
        """Return the keys that count now."""
        always = (-inf, inf)
        spans = {kid: self.valid.get(kid, always) for kid in self.trusted}
        return {kid: self.trusted[kid] for kid, (begins, ends) in spans.items() if begins <= now < ends}
