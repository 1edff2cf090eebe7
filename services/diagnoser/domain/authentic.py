"""The proof on a delivery that ingest took it in."""

from __future__ import annotations

import hashlib
import hmac

from shared.events.deliveries import Delivery
from shared.incident.model import LIVE


def is_authentic(key: bytes, delivery: Delivery, environment: str) -> bool:
    """Say whether a delivery may count in `environment`.

    Only live ones are checked: a forged simulated record can reach nothing but its own run. The format is frozen and
    equals that of ingest.
    """
    if environment != LIVE:
        return True
    text = f"message\x00{delivery.message_id}\x00{delivery.source}\x00{environment}"
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), delivery.mac.encode(errors="replace"))
