"""From what a person said to signed bytes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from services.notifier.ports import Session
from shared.errors import RefusedError
from shared.runbooks.decision import SignedDecision, sign
from shared.runtime.clock import at

TEXT_MAX = 1000
"""Characters of one argument; the rest is cut before it is signed."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a person said about what."""

    verb: str
    environment: str
    incident_id: str
    subject: str
    plan_sha256: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signed:
    """A decision as it travels."""

    decision: str
    signature: str
    nonce: str


@dataclass(frozen=True, slots=True)
class Signer:
    """The notifier's key. The executor trusts it for who said what, and for nothing else."""

    kid: str
    key: Ed25519PrivateKey

    def sign(self, session: Session, said: Said, now: datetime) -> Signed:
        """Return the signed decision. Raises RefusedError for what no decision can hold."""
        nonce = secrets.token_hex(16)
        try:
            decision = SignedDecision.model_validate(
                {
                    "kid": self.kid,
                    "environment": said.environment,
                    "incident_id": said.incident_id,
                    "subject": said.subject,
                    "plan_sha256": said.plan_sha256 or None,
                    "verb": said.verb,
                    "arguments": {name: value[:TEXT_MAX] for name, value in said.arguments.items()},
                    "person": session.person,
                    "via": session.via,
                    "authenticated_at": at(session.authenticated_at),
                    "nonce": nonce,
                    "time": now,
                }
            )
            text, signature = sign(decision, self.key)
        except (ValidationError, UnicodeEncodeError) as error:
            raise RefusedError(f"not a decision: {error}") from error
        return Signed(text, signature, nonce)
