"""W3C trace context: a delivery continues its sender's trace, or begins one; events carry it on in `ce_traceparent`."""

from __future__ import annotations

import hashlib
import re

_VALID = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
_SAMPLED = "01"


def traceparent(received: str, origin: str) -> str:
    """Return the trace context of what `origin` (an id) names, within the trace `received` if that is a valid one.

    It is computed from the id, so what runs again after a crash continues the same trace.
    """
    digest = hashlib.sha256(f"trace\x00{origin}".encode()).hexdigest()
    found = _VALID.fullmatch(received.strip().lower())
    trace, flags = (found[1], found[2]) if found else (digest[:32], _SAMPLED)
    return f"00-{trace}-{digest[32:48]}-{flags}"
