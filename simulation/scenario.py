"""A scenario as its author wrote it. Minutes count from `zero`, the scenario's own start of trouble.

A *pressure* is a number between 0 and 1 that rises or falls in a straight line until a call makes it react. Metrics,
log rates and monitors follow from pressures; so the right call makes them recover and a wrong one does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import NotFoundError
from shared.incident.evidence import HarmfulDirection
from shared.runbooks.authored import read


class Part(BaseModel):
    """A part of a scenario file; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProcessSpec(Part):
    """A process at the start of the scenario."""

    name: str
    service: str
    pid: int
    started_minute: float
    memory_metric: str = ""


class HostSpec(Part):
    """A machine."""

    name: str
    facts: dict[str, str] = {}
    processes: tuple[ProcessSpec, ...] = ()


class ServiceSpec(Part):
    """A service and what it calls."""

    name: str
    kind: str = "service"
    calls: tuple[str, ...] = ()
    runs_on: tuple[str, ...] = ()


class ChangeSpec(Part):
    """A deploy or other change."""

    id: str
    minute: float
    kind: str
    entity: str
    title: str
    version: str = ""
    previous_version: str = ""
    author: str = ""
    hosts: tuple[str, ...] = ()


class Reaction(Part):
    """What a call does to a pressure: it jumps to `value` and then moves by `per_minute`."""

    verb: str
    target: str
    arguments: dict[str, str] = {}
    value: float
    per_minute: float


class Pressure(Part):
    """Zero before `from_minute`, then rising by `per_minute`, between 0 and `limit`."""

    id: str
    from_minute: float = 0.0
    per_minute: float = 0.0
    limit: float = 1.0
    reactions: tuple[Reaction, ...] = ()


class Curve(Part):
    """An addition to a signal: straight lines between (pressure, addition) points."""

    pressure: str
    points: tuple[tuple[float, float], ...] = Field(min_length=2)


class MetricSpec(Part):
    """A metric: base, a daily rhythm of `daily` at its peak, noise of one standard deviation, and curves."""

    entity: str
    name: str
    unit: str = ""
    harmful: HarmfulDirection = "up"
    base: float
    daily: float = 0.0
    noise: float = 0.0
    low: float | None = 0.0
    high: float | None = None
    limit: float | None = None
    curves: tuple[Curve, ...] = ()

    @property
    def id(self) -> str:
        """The name of the series."""
        return f"{self.entity}/{self.name}"


class LogSpec(Part):
    """Log lines of one shape; `{n}` becomes a number that varies."""

    entity: str
    level: str
    message: str
    per_minute: float = 0.0
    curves: tuple[Curve, ...] = ()


class MonitorSpec(Part):
    """A vendor's monitor: fires when the mean over `minutes` passes `above`, recovers when it is under `recovers`."""

    id: str
    vendor: Literal["datadog", "pagerduty"]
    title: str
    entity: str
    metric: str
    above: float
    recovers: float
    minutes: float = 2.0
    values: dict[str, str] = {}


class OnCallSpec(Part):
    """Who is on call."""

    service: str
    person: str
    level: int = 1


class ArticleSpec(Part):
    """A passage of the team's handbook."""

    title: str
    link: str
    text: str


class Scenario(Part):
    """One scenario. A run begins at `begins_minute`; `seed` drives all noise."""

    name: str
    title: str
    description: str
    seed: int = 1
    begins_minute: float
    hosts: tuple[HostSpec, ...]
    services: tuple[ServiceSpec, ...]
    changes: tuple[ChangeSpec, ...] = ()
    pressures: tuple[Pressure, ...] = ()
    metrics: tuple[MetricSpec, ...] = ()
    logs: tuple[LogSpec, ...] = ()
    monitors: tuple[MonitorSpec, ...] = ()
    on_call: tuple[OnCallSpec, ...] = ()
    articles: tuple[ArticleSpec, ...] = ()


def scenario_names(fixtures: Path) -> list[str]:
    """Return the names of all scenarios, sorted."""
    return sorted(path.parent.name for path in fixtures.glob("*/scenario.yaml"))


def load_scenario(fixtures: Path, name: str) -> Scenario:
    """Return one scenario. Raises NotFoundError with the names there are, ConfigurationError for a broken file."""
    names = scenario_names(fixtures)
    if name not in names:
        raise NotFoundError(f"no scenario {name!r}; there are: {', '.join(names) or 'none'}")
    return read(fixtures / name / "scenario.yaml", Scenario)
