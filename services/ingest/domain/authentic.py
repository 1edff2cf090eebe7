"""Who sent it? Verified over the raw bytes, in constant time, against each secret that is live."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from services.ingest.domain.receipt import proof
from shared.incident.model import LIVE, Environment, is_environment

Check = Callable[[bytes, Mapping[str, str], bytes], bool]
"""(secret, headers with lower-case names, body) -> whether this secret vouches for it."""

CLOCK_SKEW = 300.0
"""Seconds a signed time stamp may be away from ours (Standard Webhooks)."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of one source."""

    live: tuple[bytes, ...] = ()
    replay: bytes | None = None

    @classmethod
    def of(cls, live: Iterable[str], replay: str | None = None) -> Self:
        """Return the secrets that are some: a blank one would let in whoever sends nothing."""
        return cls(
            tuple(secret.encode() for secret in live if _is_some(secret)),
            replay.encode() if replay is not None and _is_some(replay) else None,
        )

    @property
    def off(self) -> bool:
        """Whether nobody can send."""
        return not self.live and self.replay is None


class Voucher(NamedTuple):
    """Where an authentic delivery belongs, and which secret says so: its place in the list, or `replay`."""

    environment: Environment
    secret: str


def vouch(check: Check, secrets: Secrets, headers: Mapping[str, str], body: bytes) -> Voucher | None:
    """Return who vouches for a delivery, None when nobody does.

    With a live secret the header `Signoff-Run` is ignored; the replay secret needs it.
    """
    vouched = [check(secret, headers, body) for secret in secrets.live]
    if any(vouched):
        return Voucher(LIVE, str(vouched.index(True) + 1))
    run = headers.get("signoff-run", "")
    if secrets.replay is not None and check(secrets.replay, headers, body) and is_environment(f"sim:{run}"):
        return Voucher(f"sim:{run}", "replay")
    return None


def _is_some(secret: str) -> bool:
    return bool(secret.strip()) and bool(_key(secret.encode()))


def _sent(headers: Mapping[str, str], name: str) -> bytes:
    """Return a header as the bytes that came: ASGI gives latin-1."""
    return headers.get(name, "").encode("latin-1", "replace")


def check_token(secret: bytes, headers: Mapping[str, str], _: bytes) -> bool:
    """Datadog: a shared token in `X-Signoff-Token`. The body is not signed."""
    return hmac.compare_digest(_sent(headers, "x-signoff-token"), secret)


def check_pagerduty(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """PagerDuty: any of several `v1=` signatures over the raw body; the secret is used as it is written."""
    wanted = proof(secret, body).hex().encode()
    given = [part.strip() for part in _sent(headers, "x-pagerduty-signature").split(b",")]
    matches = [hmac.compare_digest(part[3:], wanted) for part in given if part.startswith(b"v1=")]
    return any(matches)


def check_standard(now: float) -> Check:
    """Standard Webhooks: `v1,<base64>` over id, time stamp and body; the time stamp must be near `now`."""

    def check(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        stamp = headers.get("webhook-timestamp", "")
        if not (stamp.isascii() and stamp.isdecimal()) or abs(float(stamp) - now) > CLOCK_SKEW:
            return False
        signed = _sent(headers, "webhook-id") + f".{stamp}.".encode() + body
        wanted = base64.b64encode(proof(_key(secret), signed))
        given = _sent(headers, "webhook-signature").split()
        matches = [hmac.compare_digest(part[3:], wanted) for part in given if part.startswith(b"v1,")]
        return any(matches)

    return check


def _key(secret: bytes) -> bytes:
    """Return the key of a `whsec_` secret, which is base64; any other secret is used as it is."""
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        return secret
