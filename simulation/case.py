"""A scenario as an `rca-case/1`, for diagnosing without a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulation.run import Clock, Run
from simulation.scenario import Scenario

WINDOW = 1800.0
"""Seconds of the window under suspicion, up to now."""
BASELINE = 6 * 3600.0
ALERT_WALL0 = 1_800_000_000.0
"""Any fixed time serves: a case must be the same on every day."""


def case_of(scenario: Scenario, *, minutes: float = 5.0, begins: float = ALERT_WALL0) -> Mapping[str, Any]:
    """Return what could be seen `minutes` after the first alert, when nobody had done anything.

    The run begins at `begins`, in seconds since the epoch.
    """
    run = Run("case", scenario, Clock(begins))
    first, alerts = _alerts(run, minutes)
    now = first + minutes * 60.0
    topology = run.topology()
    entities = list(topology.entities)
    start = now - WINDOW
    before = {series.id: series for series in run.series(entities, start - BASELINE, start)}
    metrics = [
        {
            "id": window.id,
            "entity": window.entity,
            "name": window.name,
            "unit": window.unit,
            "harmful": window.harmful,
            "step_s": window.step_seconds,
            "baseline": list(before[window.id].values),
            "window": list(window.values),
            "window_t0": window.start.timestamp(),
            "limit": window.limit,
        }
        for window in run.series(entities, start, now)
    ]
    return {
        "schema": "rca-case/1",
        "case_id": scenario.name,
        "source": "scenario",
        "alerts": alerts,
        "topology": {
            "entities": [{"id": name, "kind": kind} for name, kind in topology.entities.items()],
            "edges": [{"src": a, "dst": b, "kind": kind} for a, b, kind in topology.edges],
        },
        "metrics": metrics,
        "logs": _logs(run, entities, start, now),
        "logs_baseline": _logs(run, entities, start - WINDOW, start),
        "changes": [
            {
                "id": c.id,
                "at": c.at.timestamp(),
                "kind": c.kind,
                "entity": c.entity,
                "title": c.title,
                "details": {"version_to": c.version, "version_from": c.previous_version, "hosts": list(c.hosts)},
            }
            for c in run.changes(now - 3 * 86400.0, now)
        ],
    }


def _alerts(run: Run, minutes: float) -> tuple[float, list[dict[str, Any]]]:
    """Return the data time of the first alert and the alerts up to `minutes` after it."""
    firing: list[tuple[float, dict[str, Any]]] = []
    at = run.clock.wall0
    while not firing or at < firing[0][0] + minutes * 60.0:
        for monitor in run.scenario.monitors:
            known = any(alert["id"] == monitor.id for _, alert in firing)
            if not known and run.judge(monitor, at, firing=False) == "fires":
                alert = {
                    "id": monitor.id,
                    "entity": monitor.entity,
                    "metric": monitor.metric,
                    "at": at,
                    "title": monitor.title,
                    "status": "firing",
                }
                firing.append((at, alert))
        at += 10.0
        if at > run.clock.wall0 + 86400.0:
            break
    return (firing[0][0] if firing else run.clock.wall0), [alert for _, alert in firing]


def _logs(run: Run, entities: list[str], start: float, end: float) -> list[dict[str, Any]]:
    lines = run.logs(entities, start, end, 5000)
    return [
        {"entity": line.entity, "at": line.at.timestamp(), "level": line.level, "msg": line.message} for line in lines
    ]
