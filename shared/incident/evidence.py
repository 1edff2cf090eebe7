"""What was seen, where, when and by which query; and statements that cite it."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from shared.incident.model import Model

EvidenceKind = Literal[
    "alert", "metric", "log", "change", "state", "topology", "host", "history", "oncall", "article", "gap"
]
HarmfulDirection = Literal["up", "down", "both"]
Trust = Literal["system", "telemetry", "user_text"]
SUMMARY_MAX = 160
"""Characters of the summary of a piece of evidence."""


class MetricTimeSeries(Model):
    """Evenly spaced measurements of one metric of one entity.

    `values[i]` was measured at `start + i * step_seconds` (data time); None is a missing measurement.
    """

    id: str
    entity: str
    name: str
    unit: str = ""
    harmful: HarmfulDirection = "up"
    start: AwareDatetime
    step_seconds: float = Field(gt=0)
    values: tuple[float | None, ...] = ()
    limit: float | None = None
    """The capacity of the thing measured (bytes of memory, connections), when the source knows it."""


class LogTemplate(Model):
    """Log lines of one shape, masked: how often they came in the window and in a comparable earlier span."""

    template: str = Field(max_length=400)
    entity: str = ""
    level: str = ""
    count: int = Field(ge=0)
    baseline_count: int = Field(ge=0)
    first_at: AwareDatetime | None = None


class Evidence(Model):
    """One raw observation with its origin. `summary` is built by code, at most 160 characters."""

    id: str
    kind: EvidenceKind
    entity: str = ""
    channel: str = ""
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    direction: str = ""
    before: float | None = None
    after: float | None = None
    magnitude: float = 0.0
    unit: str = ""
    active_now: bool = True
    trust: Trust = "telemetry"
    summary: str = Field(max_length=SUMMARY_MAX)
    query: str = ""
    series_id: str | None = None


class LookAlike(Model):
    """A past incident that showed nearly the same, and what differs. `cause` is what a person said it was, if one did.

    `likeness` is from 0 to 1; each sign is a few words. It may support a cause and never carries one alone.
    """

    id: str
    """Of the evidence that cites it."""
    incident_id: str
    title: str = ""
    cause: str = ""
    verdict: Literal["", "right", "wrong"] = ""
    """Of the newest person who judged its diagnosis; empty when nobody did."""
    closed_at: AwareDatetime
    likeness: float = Field(ge=0.0, le=1.0)
    alike: tuple[str, ...] = ()
    only_now: tuple[str, ...] = ()
    only_then: tuple[str, ...] = ()


class Finding(Model):
    """A statement that cites at least one piece of evidence."""

    statement: str
    cites: tuple[str, ...] = Field(min_length=1)
