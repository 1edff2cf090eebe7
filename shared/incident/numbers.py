"""Numbers as people read them."""

from __future__ import annotations


def percent(share: float) -> str:
    """Return a share of one, such as `97 %`."""
    return f"{round(share * 100)} %"
