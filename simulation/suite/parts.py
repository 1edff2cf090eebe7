"""What incidents are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulation.suite.system import Curve, step

CALM, DARK = "no_active_fault", "inconclusive"


def deploy(name: str, minute: float, entity: str = "{cart}", **details: object) -> dict[str, Any]:
    """Return a deploy."""
    return {"id": name, "minute": minute, "kind": "deploy", "entity": entity, "title": "release", "details": details}


def change(name: str, kind: str, minute: float, entity: str, summary: str) -> dict[str, Any]:
    """Return a change of another kind."""
    return {
        "id": name,
        "minute": minute,
        "kind": kind,
        "entity": entity,
        "title": summary,
        "details": {"summary": summary},
    }


def event(kind: str, minute: float, entity: str, title: str) -> dict[str, Any]:
    """Return an event."""
    return {
        "id": f"{kind}{minute:g}",
        "minute": minute,
        "kind": kind,
        "entity": entity,
        "title": title,
        "severity": "warning",
    }


def felt(minute: float, errors: float = 1.0, latency: float = 4.0) -> dict[str, Curve]:
    """Return what the front feels of trouble below it."""
    found = {"front/latency_p95_ms": step(latency, minute)} if latency != 1.0 else {}
    return found | ({"front/error_pct": step(errors, minute)} if errors != 1.0 else {})


BROKEN: Mapping[str, Curve] = {
    "cart/error_pct": step(30.0, -14),
    "cart/latency_p95_ms": step(2.0, -14),
    'front/client_error_pct{peer="cart"}': step(40.0, -14),
    "front/error_pct": step(25.0, -14),
}
THROWS = ("cart", "NullReference in Basket.total at line {n}", 90, "error", -14.0)
ERRORS = ("front", "error_pct")
