"""How well an incident is told: the same fault may show loudly in everything, or faintly in little that was kept."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulation.suite.system import NOW, Curve, Incident, System

Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Telling:
    """What is left of the signs of an incident."""

    effect: float = 1.0
    """The share that every curve keeps of its distance from normal."""
    lines: float = 1.0
    """The share of the log lines that is kept."""
    history: int = 360
    """How many points of each baseline are kept."""
    lost: float = 0.0
    """The share of the series that nobody measures."""
    silent: Sequence[str] = ()
    """Fields of the case that are not there at all: `logs`, `state`, `changes` or `events`."""
    stray: int = 0
    """Deploys elsewhere at about the time."""


def poorly(seed: str) -> Telling:
    """Draw a telling in which one to three things are worse."""
    chance = random.Random(seed)
    told = Telling()
    for way in chance.sample(range(6), chance.choice((1, 2, 2, 3))):
        told = _worse(told, way, chance)
    return told


def _worse(told: Telling, way: int, chance: random.Random) -> Telling:
    ways = (
        lambda: replace(told, effect=chance.uniform(0.08, 0.5)),
        lambda: replace(told, lines=chance.uniform(0.05, 0.4)),
        lambda: replace(told, history=chance.choice((30, 60, 120))),
        lambda: replace(told, lost=chance.uniform(0.2, 0.6)),
        lambda: replace(told, silent=(chance.choice(("logs", "state", "changes", "events")),)),
        lambda: replace(told, stray=chance.choice((1, 2, 3))),
    )
    return ways[way]()


def tell(system: System, incident: Incident, told: Telling, seed: str) -> Case:
    """Return the incident as a case, told in this way. The same seed leaves out the same."""
    chance = random.Random(seed)
    curves = {name: _fainter(curve, told.effect) for name, curve in incident.curves.items()}
    lines = [(role, text, max(round(n * told.lines), 2), level, at) for role, text, n, level, at in incident.lines]
    case = system.case(replace(incident, curves=curves, lines=lines))
    series = [
        {**one, "baseline": one["baseline"][-told.history :]} for one in case["metrics"] if chance.random() >= told.lost
    ]
    raw = {key: value for key, value in case["raw"].items() if key not in told.silent}
    left: dict[str, list[Any]] = {key: [] for key in told.silent if key != "state"}
    if "logs" in told.silent:
        left["logs_baseline"] = []
    changes = [*left.get("changes", case["changes"]), *(_stray(system, n, chance) for n in range(told.stray))]
    return case | {"metrics": series, "raw": raw} | left | {"changes": changes}


def _fainter(curve: Curve, share: float) -> Curve:
    return lambda at: 1.0 + (curve(at) - 1.0) * share


def _stray(system: System, number: int, chance: random.Random) -> dict[str, Any]:
    return {
        "id": f"stray{number}",
        "at": round(NOW - chance.uniform(300.0, 9000.0), 1),
        "kind": "deploy",
        "entity": system.of[chance.choice(("front", "price", "worker"))],
        "title": "release",
        "details": {"summary": "small things"},
    }
