"""The conclusion of an investigation and what it recommends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from shared.incident.enums import IncidentCategory, RiskLevel
from shared.incident.evidence import Evidence, Finding
from shared.incident.model import Model

Confidence = Annotated[float, Field(ge=0.0, le=1.0)]
"""Computed by code from evidence; never a number that a model wrote."""

DiagnosisStatus = Literal["diagnosed", "inconclusive", "no_active_fault"]
ParameterValue = str | int | bool


class ManualStep(Model):
    """What a person may do about a cause where no runbook does. Nobody but a person ever carries it out."""

    do: str
    risk: RiskLevel
    reversible: bool
    verify: str


class Contraindication(Model):
    """Verbs of runbooks, as patterns, that would do harm if this is the cause."""

    verbs: tuple[str, ...]
    why: str


class RankedCause(Model):
    """One candidate cause: an id of the catalogue (`family.name`) or `unknown`, on one entity."""

    entity: str
    cause: str
    title: str = ""
    confidence: Confidence
    cites: tuple[str, ...] = Field(min_length=1)
    steps: tuple[ManualStep, ...] = ()
    never: tuple[Contraindication, ...] = ()


class DiagnosticResult(Model):
    """What an engine concludes from evidence.

    `findings` cite ids of the evidence that came in; an inconclusive result names what is missing and the check that
    would separate the candidates.
    """

    status: DiagnosisStatus
    category: IncidentCategory = IncidentCategory.UNKNOWN
    statement: str = ""
    confidence: Confidence = 0.0
    causes: tuple[RankedCause, ...] = ()
    also: tuple[RankedCause, ...] = ()
    """What else is broken where the first cause cannot have reached: a fault of its own. Nothing is proposed for it."""
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[Finding, ...] = ()
    contradictions: tuple[Finding, ...] = ()
    """What speaks against the first cause and did not rule it out."""
    unexplained: tuple[Finding, ...] = ()
    """What is wrong now and does not follow from the first cause."""
    confidence_from: tuple[str, ...] = ()
    """How the confidence came about, in the order in which it was counted."""
    affected: tuple[str, ...] = ()
    """Services at which it is felt now, as measured; those of the incident first."""
    missing: tuple[str, ...] = ()
    next_checks: tuple[str, ...] = ()
    engine: str = "offline"
    engine_version: str = ""
    catalogue_sha256: str = ""
    calibrator_sha256: str = ""
    evidence_sha256: str = ""
    degraded: str | None = None
    degraded_steps: tuple[str, ...] = ()
    """Small steps after the diagnosis in which a model was asked and has no word, with the reason."""
    model_steps: tuple[str, ...] = ()
    """What a model did in the small steps after the diagnosis, or why it was not asked; empty without a model."""


def first_symptom(result: DiagnosticResult, evidence: Iterable[Evidence]) -> datetime | None:
    """Return when the earliest thing that the first cause and the findings cite began (data time), None if none says.

    A change is no symptom, and an alert is what noticed one. Log lines that came before too do not say when it began:
    the first of them may be of better days.
    """
    citing = [*(cause.cites for cause in result.causes[:1]), *(finding.cites for finding in result.findings)]
    cited = {cite for cites in citing for cite in cites}
    symptoms = (item for item in evidence if item.id in cited and item.kind in ("metric", "log", "state"))
    starts = (item.start for item in symptoms if not (item.kind == "log" and item.before))
    return min((start for start in starts if start is not None), default=None)


class ActionRecommendation(Model):
    """A proposed runbook with typed parameters; selected by id and digest, never written by a model."""

    runbook_id: str
    runbook_sha256: str
    title: str
    cause: str
    entity: str
    parameters: dict[str, ParameterValue] = Field(default_factory=dict)
    risk: RiskLevel = RiskLevel.MEDIUM
    reversible: bool = False
    confidence: Confidence = 0.0
    rationale: str = ""
    expected_effect: str = ""
    verification: str = ""
    """What has to hold afterwards."""
    integrations: tuple[str, ...] = ()
    """The kinds of things its verbs act on, such as `host`."""
    behind: str = ""
    """Why another one goes before it; empty for the first."""
    cites: tuple[str, ...] = ()


class RecommendationSet(Model):
    """Recommendations, best first; empty when nothing in the catalogue would help."""

    items: tuple[ActionRecommendation, ...] = ()
