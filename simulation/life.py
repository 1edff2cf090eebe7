"""What the driver knows of a run, and reading it back from the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import NotFoundError
from simulation.run import Clock, Done, Run
from simulation.scenario import Scenario, load_scenario
from simulation.sending import Via

log = logging.getLogger("signoff.world")

QUIET_SECONDS = 1800.0
"""Data seconds without a firing monitor after which nothing more happens in a run."""
RUN_SECONDS = 86400.0
"""Wall seconds after which nothing more happens in any run."""


@dataclass(frozen=True, slots=True)
class MonitorChange:
    """A monitor fires or recovers, at a data time (seconds since the epoch)."""

    monitor: str
    cycle: int
    fires: bool
    at: float


@dataclass(slots=True)
class Life:
    """One run and what goes with it in the driver: which monitors fire, posts of its channel."""

    run: Run
    via: Via
    firing: dict[str, int] = field(default_factory=dict)
    """Monitor -> the cycle that fires now."""
    cycles: dict[str, int] = field(default_factory=dict)
    changed_at: float = 0.0
    """Data time of the newest change of a monitor."""
    untaken: list[MonitorChange] = field(default_factory=list)
    """What ingest has not taken."""
    slack: dict[str, dict[str, Any]] = field(default_factory=dict)

    def is_late(self, wall: float) -> bool:
        """Say whether even what waits for ingest is given up."""
        return wall - self.run.clock.wall0 > RUN_SECONDS

    def is_over(self, wall: float) -> bool:
        """Say whether no monitor changes any more: all that fired have been quiet for a while, or it is late."""
        quiet_for = self.run.clock.data(wall) - self.changed_at
        is_quiet = bool(self.cycles) and not self.firing and quiet_for > QUIET_SECONDS
        return is_quiet or self.is_late(wall)

    def note(self, change: MonitorChange) -> None:
        """Remember a change of a monitor."""
        self.cycles[change.monitor] = change.cycle
        self.changed_at = change.at
        self.untaken.append(change)
        if change.fires:
            self.firing[change.monitor] = change.cycle
        else:
            self.firing.pop(change.monitor, None)


def begun(entry: Mapping[str, Any], scenario: Scenario) -> Life:
    """Return the run of a ledger entry of kind `run`."""
    scenario = scenario.model_copy(update={"seed": entry["seed"]})
    return Life(Run(entry["run"], scenario, Clock(entry["wall"], entry["speed"])), entry["via"])


def recall(entries: Iterable[Mapping[str, Any]], fixtures: Path) -> dict[str, Life]:
    """Return all runs of a ledger as they were. Runs of a scenario that is gone are no more."""
    scenarios: dict[str, Scenario | None] = {}
    lives: dict[str, Life] = {}
    for entry in entries:
        if entry["kind"] == "run":
            name = entry["scenario"]
            if name not in scenarios:
                scenarios[name] = _scenario(fixtures, name)
            scenario = scenarios[name]
            if scenario is not None:
                lives[entry["run"]] = begun(entry, scenario)
        elif entry["run"] in lives:
            _remember(lives[entry["run"]], entry)
    return lives


def _scenario(fixtures: Path, name: str) -> Scenario | None:
    try:
        return load_scenario(fixtures, name)
    except NotFoundError:
        log.warning("scenario %s is gone; so are its runs", name)
        return None


def _remember(life: Life, entry: Mapping[str, Any]) -> None:
    if entry["kind"] == "call":
        life.run.done.append(Done(**entry["done"]))
    elif entry["kind"] == "monitor":
        life.note(MonitorChange(**entry["change"]))
    elif entry["kind"] == "taken":
        life.untaken.remove(MonitorChange(**entry["change"]))
    elif entry["kind"] == "slack":
        life.slack[entry["marker"]] = entry["post"]
