"""The proofs of ingest: on a delivery, that it took it in; on a receipt, that it gave it out. Formats are frozen."""

from __future__ import annotations

import base64
import hashlib
import hmac

from shared.events.deliveries import Delivery
from shared.incident.model import LIVE

_TAG = 8


def is_authentic(key: bytes, delivery: Delivery, environment: str) -> bool:
    """Say whether a delivery may count in `environment`.

    Only live ones are checked: a forged simulated record can reach nothing but its own run.
    """
    if environment != LIVE:
        return True
    text = f"message\x00{delivery.message_id}\x00{delivery.source}\x00{environment}"
    expected = hmac.digest(key, text.encode(), hashlib.sha256).hex()
    return hmac.compare_digest(expected.encode(), delivery.mac.encode(errors="replace"))


def is_receipt(key: bytes, receipt: str) -> bool:
    """Say whether ingest made this receipt with `key`."""
    stem, tag = receipt[:-_TAG], receipt[-_TAG:]
    digest = hmac.new(key, f"receipt\x00{stem}".encode(errors="replace"), hashlib.sha256).digest()
    expected = base64.b32hexencode(digest).decode()[:_TAG]
    return hmac.compare_digest(expected.encode(), tag.encode(errors="replace"))
