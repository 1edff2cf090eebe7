"""The frozen configuration of the executor's transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.executor.domain.policy import Policy
from shared.runtime.people import People


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """Policy, people and the keys whose signatures count."""

    policy: Policy
    people: People
    trusted: Mapping[str, Ed25519PublicKey]
