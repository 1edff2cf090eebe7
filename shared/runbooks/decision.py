"""What a person decided, as signed bytes. The notifier signs; the executor verifies and rules."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AwareDatetime, Field, ValidationError

from shared.errors import RefusedError
from shared.incident.model import Environment, Model

DecisionVerb = Literal[
    "approve",
    "reject",
    "withdraw",
    "cancel",
    "pause",
    "resume",
    "skip",
    "retry",
    "confirm",
    "run",
    "freeze",
    "unfreeze",
]


class SignedDecision(Model):
    """The signed content. `subject` is an approval, execution, step or request id; `plan_sha256` is null for `run`."""

    format: Literal["signoff-decision/1"] = "signoff-decision/1"
    kid: str
    environment: Environment
    incident_id: str
    subject: str
    plan_sha256: str | None = None
    verb: DecisionVerb
    arguments: dict[str, str] = Field(default_factory=dict)
    person: str
    via: str
    """How the person was authenticated and on what: `page:local`, `cli:local`, `slack`..."""
    authenticated_at: AwareDatetime
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")
    time: AwareDatetime

    def text(self) -> str:
        """Return the RFC 8785 bytes as text; they travel verbatim."""
        return rfc8785.dumps(self.model_dump(mode="json")).decode()


def sign(decision: SignedDecision, key: Ed25519PrivateKey) -> tuple[str, str]:
    """Return (decision text, base64 signature)."""
    text = decision.text()
    return text, base64.b64encode(key.sign(text.encode())).decode()


def verify(text: str, signature: str, trusted: Mapping[str, Ed25519PublicKey]) -> SignedDecision:
    """Return the decision that `text` holds, if a trusted key signed exactly these bytes.

    Raises RefusedError otherwise. Time, nonce, person and subject are for the executor to judge.
    """
    try:
        decision = SignedDecision.model_validate_json(text)
    except ValidationError as error:
        raise RefusedError("the decision is not readable") from error
    key = trusted.get(decision.kid)
    if key is None:
        raise RefusedError(f"key {decision.kid!r} is not trusted")
    try:
        key.verify(base64.b64decode(signature, validate=True), text.encode())
    except (InvalidSignature, ValueError) as error:
        raise RefusedError("the signature does not fit the decision") from error
    return decision
