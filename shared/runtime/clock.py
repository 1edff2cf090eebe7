"""The only reader of wall time outside the database."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def wall() -> float:
    """Return seconds since the epoch."""
    return time.time()


def monotonic() -> float:
    """Return seconds that never go back; only differences mean something."""
    return time.monotonic()


def at(seconds: float) -> datetime:
    """Return seconds since the epoch as a time with zone."""
    return datetime.fromtimestamp(seconds, UTC)
