"""The unit of response, and its timeline."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from shared.incident.actor import Actor
from shared.incident.diagnosis import ParameterValue
from shared.incident.enums import ActionStatus, IncidentCategory, RiskLevel, Severity, Stage
from shared.incident.model import Environment, IncidentId, Model


class Incident(Model):
    """What one incident is now; a fold over its events, never the truth itself."""

    id: IncidentId
    title: str
    environment: Environment
    stage: Stage = Stage.OPEN
    severity: Severity = Severity.SEV3
    category: IncidentCategory = IncidentCategory.UNKNOWN
    services: tuple[str, ...] = ()
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None = None
    alert_count: int = Field(default=0, ge=0)
    acknowledged_by: str | None = None
    assigned_to: str | None = None


class Action(Model):
    """One step of a plan as it will be called: verb, one resolved target, resolved arguments."""

    id: str
    name: str
    uses: str
    """The verb and its version, such as `host/restart-process@v1`; the executor refuses a verb it does not know."""
    target: str
    arguments: dict[str, ParameterValue] = Field(default_factory=dict)
    risk: RiskLevel = RiskLevel.MEDIUM
    reversible: bool = False
    impact: str = ""
    status: ActionStatus = ActionStatus.PENDING


class VerificationResult(Model):
    """Whether an action helped. `passed` needs data; no data is `unknown`, never a pass."""

    outcome: Literal["passed", "failed", "unknown"]
    check: str
    condition: str
    observed: tuple[str, ...] = ()
    """What was read, oldest first, as text with unit (`71.2 %`)."""
    held_seconds: float = 0.0
    reads: int = 0
    detail: str = ""


class TimelineEntry(Model):
    """One line of an incident's story. `id` is the id of the event it comes from."""

    id: str
    type: str
    at: AwareDatetime
    actor: Actor
    text: str
    caused_by: str | None = None
