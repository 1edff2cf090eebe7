"""Small diagnosis cases, made by hand: a fleet of two web hosts behind one service, seen every minute."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

NOW = 1_800_000_000.0
STEP = 60.0
BASELINE, WINDOW = 360, 30
MINUTE = 60.0

Curve = Callable[[float], float]
"""Minutes before now (negative) -> what is added to the normal level."""


def flat(_: float) -> float:
    """Nothing happens."""
    return 0.0


def step(by: float, minute: float) -> Curve:
    """It jumps by `by` at `minute` and stays."""
    return lambda at: by if at >= minute else 0.0


def ramp(by: float, minute: float) -> Curve:
    """It grows from `minute` on and has grown by `by` now."""
    return lambda at: by * (at - minute) / -minute if at >= minute else 0.0


def series(
    entity: str, name: str, level: float, *, unit: str = "", noise: float = 0.02, curve: Curve = flat
) -> dict[str, Any]:
    """Return one series; `noise` is a share of the level."""
    chance = random.Random(f"{entity}/{name}")
    total = BASELINE + WINDOW
    values = [
        round(max(level * (1 + noise * chance.gauss(0, 1)) + curve(float(i - total)), 0.0), 4) for i in range(total)
    ]
    return {
        "id": f"{entity}/{name}",
        "entity": entity,
        "name": name,
        "unit": unit,
        "step_s": STEP,
        "baseline": values[:BASELINE],
        "window": values[BASELINE:],
        "window_t0": NOW - WINDOW * STEP,
    }


def lines(entity: str, message: str, count: int, *, level: str = "info", minutes: float = 30.0) -> list[dict[str, Any]]:
    """Return `count` lines spread over the `minutes` before now; `{n}` is a number that varies."""
    gap = minutes * MINUTE / max(count, 1)
    return [
        {"entity": entity, "at": NOW - gap * (i + 0.5), "level": level, "msg": message.replace("{n}", str(i * 37))}
        for i in range(count)
    ]


def deploy(minute: float, entity: str = "shop", version: str = "v2", hosts: Sequence[str] = ()) -> dict[str, Any]:
    """Return a deploy `minute` minutes before now (negative)."""
    details = {"version_to": version, "hosts": list(hosts)}
    return {"id": f"d{minute}", "at": NOW + minute * MINUTE, "kind": "deploy", "entity": entity, "details": details}


def case(
    curves: Mapping[str, Curve] | None = None,
    *,
    without: Sequence[str] = (),
    changes: Sequence[Mapping[str, Any]] = (),
    logs: Sequence[Mapping[str, Any]] = (),
    alerts: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return a case in which the series named `entity/name` follow these curves; `without` leaves names out."""
    curves = curves or {}
    levels = {"cpu_pct": (30.0, "%"), "mem.used_pct": (50.0, "%"), "disk_used_pct": (60.0, "%")}
    fleet = [(host, name, *levels[name]) for host in ("web-a", "web-b") for name in levels]
    fleet += [("shop", "requests_per_s", 400.0, "req/s"), ("shop", "latency_p95", 200.0, "ms")]
    fleet += [("shop", "error_pct", 0.5, "%"), ("store-db", "query_duration_p95", 9.0, "ms")]
    return {
        "schema": "rca-case/1",
        "alerts": list(alerts) or [{"id": "a1", "entity": "shop", "at": NOW - 300, "title": "shop is slow"}],
        "topology": {
            "entities": [
                {"id": "shop", "kind": "service"},
                {"id": "web-a", "kind": "host"},
                {"id": "web-b", "kind": "host"},
                {"id": "store-db", "kind": "database"},
            ],
            "edges": [
                {"src": "shop", "dst": "web-a", "kind": "runs_on"},
                {"src": "shop", "dst": "web-b", "kind": "runs_on"},
                {"src": "shop", "dst": "store-db", "kind": "calls"},
            ],
        },
        "metrics": [
            series(entity, name, level, unit=unit, curve=curves.get(f"{entity}/{name}", flat))
            for entity, name, level, unit in fleet
            if name not in without
        ],
        "logs": list(logs),
        "logs_baseline": [],
        "changes": list(changes),
    }


def daily(by: float) -> Curve:
    """It follows the time of day, `by` at its peak."""
    return lambda at: by * (math.sin((NOW + at * MINUTE) % 86400 / 86400 * 2 * math.pi) + 1) / 2
