"""What the diagnoser says about an investigation: evidence, conclusion, recommendation, summary."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from shared.events.payload import Payload
from shared.incident.actor import Actor
from shared.incident.diagnosis import DiagnosticResult, RecommendationSet
from shared.incident.evidence import Evidence, LogTemplate, LookAlike, MetricTimeSeries
from shared.incident.model import Model

DIAGNOSER = "diagnoser"


class InvestigationStarted(Payload):
    """`investigation.started`: at most one runs per incident. With an actor when a person asked for it."""

    type: ClassVar[str] = "investigation.started"
    owner: ClassVar[str] = DIAGNOSER

    investigation_id: str
    reason: str
    actor: Actor | None = None
    request_id: str = ""


class CollectorOutcome(Model):
    """How one collector fared; missing data is evidence too."""

    collector: str
    outcome: str
    """`ok`, `empty`, `gap`, `timeout` or `failed`."""
    detail: str = ""
    seconds: float = 0.0


class EvidenceGathered(Payload):
    """`evidence.gathered`: a redacted snapshot; full data stays with the diagnoser for 30 days."""

    type: ClassVar[str] = "evidence.gathered"
    owner: ClassVar[str] = DIAGNOSER

    investigation_id: str
    evidence: tuple[Evidence, ...] = ()
    series: tuple[MetricTimeSeries, ...] = Field(default=(), max_length=20)
    logs: tuple[LogTemplate, ...] = Field(default=(), max_length=50)
    collectors: tuple[CollectorOutcome, ...] = ()
    look_alikes: tuple[LookAlike, ...] = Field(default=(), max_length=3)


class _Concluded(Payload):
    owner: ClassVar[str] = DIAGNOSER

    investigation_id: str
    result: DiagnosticResult
    changed: tuple[str, ...] = ()
    """What differs from what the investigation before concluded."""


class DiagnosisConcluded(_Concluded):
    """`diagnosis.concluded`: a cause with confidence and citations."""

    type: ClassVar[str] = "diagnosis.concluded"


class DiagnosisInconclusive(_Concluded):
    """`diagnosis.inconclusive`: no cause stands out; says what is missing and what to check next."""

    type: ClassVar[str] = "diagnosis.inconclusive"


class DiagnosisNoActiveFault(_Concluded):
    """`diagnosis.no_active_fault`: nothing is wrong now."""

    type: ClassVar[str] = "diagnosis.no_active_fault"


class RecommendationMade(Payload):
    """`recommendation.made`: ranked runbooks. The executor plans the first; the next only after a failure."""

    type: ClassVar[str] = "recommendation.made"
    owner: ClassVar[str] = DIAGNOSER

    recommendation_id: str
    investigation_id: str
    recommendations: RecommendationSet
    proposed_by: Actor | None = None
    """The person who proposed it, who may not approve it; None for what the diagnoser concluded."""
    category: str = "unknown"
    services: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class RecommendationSuperseded(Payload):
    """`recommendation.superseded`: runbook, target or parameters changed before the claim."""

    type: ClassVar[str] = "recommendation.superseded"
    owner: ClassVar[str] = DIAGNOSER

    recommendation_id: str
    superseded_by: str | None = None
    reason: str


class SummarySentence(Model):
    """One sentence and what it rests on: timeline entries (event ids), in an answer also evidence."""

    text: str
    cites: tuple[str, ...] = Field(min_length=1)


class QuestionAnswered(Payload):
    """`question.answered`: an answer with citations, and what was not checked.

    `question_id` is the request's. `text` is all sentences. Evidence that is cited is of `investigation_id`. An answer
    to a question that was not understood says so, and `can_ask` names what would be.
    """

    type: ClassVar[str] = "question.answered"
    owner: ClassVar[str] = DIAGNOSER

    question_id: str
    text: str
    cites: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    sentences: tuple[SummarySentence, ...] = ()
    investigation_id: str = ""
    can_ask: tuple[str, ...] = ()
    engine: str = "offline"
    degraded: str | None = None
    """Why the model that was asked has no word."""


class SummaryWritten(Payload):
    """`summary.written`: after closing; every sentence cites timeline entries."""

    type: ClassVar[str] = "summary.written"
    owner: ClassVar[str] = DIAGNOSER

    sentences: tuple[SummarySentence, ...]
    engine: str = "offline"
    degraded: str | None = None
    """Why the model that was asked has no word."""
