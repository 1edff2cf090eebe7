"""A runbook as its author wrote it, and the plan that is made from it.

The format is `reference`d by `runbooks/` and its JSON Schema. Conditions are CEL, one clause per line, because each
clause becomes one line of evidence; `${{ path }}` substitutes a field and nothing else.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.incident.diagnosis import ParameterValue
from shared.incident.enums import RiskLevel


class Strict(BaseModel):
    """A part of an authored file: unknown fields are errors, because a typing mistake must not go unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Match(Strict):
    """Which causes of the catalogue a runbook answers."""

    causes: tuple[str, ...] = Field(min_length=1)
    min_confidence: float = Field(default=0.5, ge=0, le=1)

    def fits(self, cause: str, confidence: float) -> bool:
        """Say whether the runbook answers a cause that is this likely."""
        return cause in self.causes and confidence >= self.min_confidence


class Input(Strict):
    """One typed parameter. `from_` names where the diagnoser finds it (`cause.entity`, `incident.service`)."""

    type: Literal["string", "integer", "boolean", "host", "service"]
    from_: str = Field(default="", alias="from")
    default: ParameterValue | None = None
    pattern: str = ""
    description: str = ""


class Gather(Strict):
    """One read before the plan is made: a read verb and its arguments."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    uses: str
    with_: dict[str, ParameterValue] = Field(default_factory=dict, alias="with")


class Clause(Strict):
    """One condition with the sentence a person reads."""

    when: str
    text: str


class Verify(Strict):
    """What must be true afterwards: `condition` over `value` (the newest) for `for_seconds`, within a data deadline."""

    name: str
    metric: str
    entity: str
    condition: str
    for_seconds: int = Field(default=60, ge=0)
    within_seconds: int = Field(default=600, gt=0)
    interval_seconds: int = Field(default=30, gt=0)
    max_attempts: int = Field(default=40, gt=0)
    backoff: float = Field(default=1.0, ge=1.0)


class Step(Strict):
    """One action of a runbook; it becomes a step of the plan. `target` resolves to one host, process or service."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    uses: str
    target: str
    with_: dict[str, ParameterValue] = Field(default_factory=dict, alias="with")
    risk: RiskLevel
    reversible: bool
    impact: str
    timeout_seconds: int = Field(default=60, gt=0, le=900)
    settle_seconds: int = Field(default=30, ge=0)
    rollback: RollbackStep | None = None


class RollbackStep(Strict):
    """The declared undo of a step, approved with it."""

    name: str
    uses: str
    target: str
    with_: dict[str, ParameterValue] = Field(default_factory=dict, alias="with")
    timeout_seconds: int = Field(default=60, gt=0, le=900)


class Approval(Strict):
    """What the runbook's author asks for; policy can only tighten it."""

    count: int = Field(default=1, ge=1, le=2)
    expires_seconds: int = Field(default=1800, gt=0)
    on_expire: Literal["expire", "escalate", "remind"] = "expire"


class Runbook(Strict):
    """One reviewed runbook. `sha256` is the digest of the file's bytes, filled in by the loader."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    description: str
    owner: str
    match: Match
    inputs: dict[str, Input] = Field(default_factory=dict)
    gather: tuple[Gather, ...] = ()
    preconditions: tuple[Clause, ...] = ()
    actions: tuple[Step, ...] = Field(min_length=1)
    verify: Verify
    approval: Approval = Approval()
    deadline_seconds: int = Field(default=3600, gt=0, le=86400)
    expected_effect: str
    sha256: str = ""

    @property
    def risk(self) -> RiskLevel:
        """The highest risk of its actions."""
        return max((step.risk for step in self.actions), key=lambda risk: risk.rank)

    @property
    def reversible(self) -> bool:
        """Whether every action can be undone."""
        return all(step.reversible for step in self.actions)
