"""Receipts: the id of a delivery, ordered by time, and the proofs that ingest gave it out."""

from __future__ import annotations

import base64
import hmac

_TAG = 8
_TAG_BYTES = 5
"""What `_TAG` characters hold."""


def make_receipt(key: bytes, now: float, chance: bytes) -> str:
    """Return a receipt for a delivery at `now` (seconds since the epoch); `chance` is 10 random bytes.

    26 characters of time and chance, then 8 that only the holder of `key` can make: so `deliveries show` can tell a
    delivery that is still on its way from a number that somebody invented.
    """
    stem = base64.b32hexencode(int(now * 1000).to_bytes(6, "big") + chance).decode().rstrip("=")
    return f"{stem}{_tag(key, stem)}"


def is_ours(key: bytes, receipt: str) -> bool:
    """Say whether `receipt` was made with `key`."""
    stem, tag = receipt[:-_TAG], receipt[-_TAG:]
    return hmac.compare_digest(_tag(key, stem).encode(), tag.encode())


def _tag(key: bytes, stem: str) -> str:
    digest = hmac.digest(key, f"receipt\x00{stem}".encode(), "sha256")
    return base64.b32hexencode(digest[:_TAG_BYTES]).decode()
