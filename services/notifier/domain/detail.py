"""Everything that is known of one incident, and what its investigation adds to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.notifier.domain import wording
from services.notifier.domain.overview import Overview
from shared.events.executions import VerificationFailed, VerificationPassed, VerificationUnknown
from shared.events.incidents import (
    AttachedAlert,
    IncidentAlertsAttached,
    IncidentNoted,
    IncidentOpened,
    IncidentRequestRefused,
)
from shared.events.investigations import (
    DiagnosisConcluded,
    DiagnosisInconclusive,
    DiagnosisNoActiveFault,
    EvidenceGathered,
    QuestionAnswered,
    RecommendationMade,
    RecommendationSuperseded,
    SummaryWritten,
)
from shared.events.people import QuestionAsked
from shared.incident.diagnosis import first_symptom
from shared.incident.enums import Stage
from shared.incident.incident import TimelineEntry
from shared.lifecycle.timeline import Told

Fields = dict[str, Any]


@dataclass(slots=True)
class Detail:
    """One incident. Lists are in the order of the events; values are JSON, as the API gives them."""

    overview: Overview | None = None
    started_at: datetime | None = None
    """Data time of the first alert."""
    symptom_at: datetime | None = None
    """Data time at which the first symptom that the diagnosis cites began."""
    alerts: dict[str, Fields] = field(default_factory=dict)
    gathered: dict[str, EvidenceGathered] = field(default_factory=dict)
    diagnosis: Fields | None = None
    recommendation_id: str = ""
    recommendations: list[Fields] = field(default_factory=list)
    approvals: dict[str, Fields] = field(default_factory=dict)
    executions: dict[str, Fields] = field(default_factory=dict)
    verifications: list[Fields] = field(default_factory=list)
    summary: Fields | None = None
    questions: dict[str, Fields] = field(default_factory=dict)
    """What people asked, by the question's id; `answer` and `refused` are empty until the diagnoser answers."""
    verdicts: dict[str, Fields] = field(default_factory=dict)
    """What each person says of the diagnosis: the newest word of each."""
    decisions: dict[str, Fields] = field(default_factory=dict)
    """What people submitted, by event id; `ruling` is empty until the executor answers."""
    timeline: dict[str, TimelineEntry] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    """When each type of event came first, on the wall clock."""

    def snapshot(self) -> EvidenceGathered | None:
        """Return the evidence that the diagnosis rests on; without a diagnosis the newest."""
        rests_on = self.gathered.get(self.diagnosis["investigation_id"]) if self.diagnosis else None
        return rests_on or next(reversed(self.gathered.values()), None)


_STOPS = frozenset(
    {
        *("diagnosis.inconclusive", "diagnosis.no_active_fault", "recommendation.made", "plan.refused"),
        *("approval.rejected", "approval.expired", "approval.withdrawn", "execution.finished", "execution.cancelled"),
        *("verification.failed", "verification.unknown", "rollback.finished", "handoff.requested"),
    }
)
"""Events after which nothing may go on without a person."""


def halted(detail: Detail) -> TimelineEntry | None:
    """Return what stopped an incident that waits for a person but for no answer: its newest line that may say so."""
    stage = detail.overview.incident.stage if detail.overview else Stage.OPEN
    if stage not in wording.HALTED:
        return None
    return next((line for line in reversed(detail.timeline.values()) if line.type in _STOPS), None)


Take = Callable[[Any, Detail, Told], None]
"""Adds what one event says; the body has passed the check of its type."""


def _alert(detail: Detail, attached: AttachedAlert, event: Told) -> None:
    alert = {**attached.model_dump(mode="json"), "event_id": event.id, "at": event.time}
    detail.alerts.setdefault(attached.message_id, alert)


def _incident_opened(payload: IncidentOpened, detail: Detail, event: Told) -> None:
    detail.started_at = detail.started_at or payload.started_at
    _alert(detail, AttachedAlert(message_id=payload.message_id, alert=payload.alert), event)


def _incident_alerts_attached(payload: IncidentAlertsAttached, detail: Detail, event: Told) -> None:
    for attached in payload.alerts:
        _alert(detail, attached, event)


def _evidence_gathered(payload: EvidenceGathered, detail: Detail, event: Told) -> None:
    del event
    earlier = detail.gathered.pop(payload.investigation_id, None)
    if earlier is not None:
        payload = payload.model_copy(
            update={
                # A page names evidence by its id, so each id is there once; what was told last counts.
                "evidence": tuple({item.id: item for item in (*earlier.evidence, *payload.evidence)}.values()),
                "series": (*earlier.series, *payload.series),
                "logs": (*earlier.logs, *payload.logs),
                "collectors": (*earlier.collectors, *payload.collectors),
                "look_alikes": payload.look_alikes or earlier.look_alikes,
            }
        )
    detail.gathered[payload.investigation_id] = payload


def _concluded(
    payload: DiagnosisConcluded | DiagnosisInconclusive | DiagnosisNoActiveFault, detail: Detail, event: Told
) -> None:
    detail.diagnosis = {
        **payload.result.model_dump(mode="json"),
        "investigation_id": payload.investigation_id,
        "changed": list(payload.changed),
        "event_id": event.id,
    }
    gathered = detail.gathered.get(payload.investigation_id)
    detail.symptom_at = first_symptom(payload.result, gathered.evidence) if gathered else None


def _recommendation_made(payload: RecommendationMade, detail: Detail, event: Told) -> None:
    del event
    detail.recommendation_id = payload.recommendation_id
    detail.recommendations = [item.model_dump(mode="json") for item in payload.recommendations.items]


def _recommendation_superseded(payload: RecommendationSuperseded, detail: Detail, event: Told) -> None:
    del event
    if payload.recommendation_id == detail.recommendation_id:
        detail.recommendations = []


def _verified(
    payload: VerificationPassed | VerificationFailed | VerificationUnknown, detail: Detail, event: Told
) -> None:
    found = payload.result.model_dump(mode="json")
    detail.verifications.append({**found, "execution_id": payload.execution_id, "at": event.time})


def _summary_written(payload: SummaryWritten, detail: Detail, event: Told) -> None:
    detail.summary = {**payload.model_dump(mode="json"), "at": event.time}


def _question_asked(payload: QuestionAsked, detail: Detail, event: Told) -> None:
    asked = {"question_id": payload.request_id, "text": payload.text, "by": payload.actor.label}
    detail.questions[payload.request_id] = {**asked, "at": event.time, "answer": None, "refused": ""}


def _question_answered(payload: QuestionAnswered, detail: Detail, event: Told) -> None:
    question = detail.questions.get(payload.question_id)
    if question is not None and question["answer"] is None:
        question["answer"] = {**payload.model_dump(mode="json"), "event_id": event.id, "at": event.time}


def _request_refused(payload: IncidentRequestRefused, detail: Detail, event: Told) -> None:
    del event
    if payload.request_id in detail.questions:
        detail.questions[payload.request_id]["refused"] = payload.why


def _noted(payload: IncidentNoted, detail: Detail, event: Told) -> None:
    if payload.verdict:
        said = {"verdict": payload.verdict, "by": payload.actor.label, "text": payload.text, "at": event.time}
        detail.verdicts[payload.actor.id] = said


TAKES: Mapping[str, Take] = {
    IncidentOpened.type: _incident_opened,
    IncidentAlertsAttached.type: _incident_alerts_attached,
    EvidenceGathered.type: _evidence_gathered,
    DiagnosisConcluded.type: _concluded,
    DiagnosisInconclusive.type: _concluded,
    DiagnosisNoActiveFault.type: _concluded,
    RecommendationMade.type: _recommendation_made,
    RecommendationSuperseded.type: _recommendation_superseded,
    VerificationPassed.type: _verified,
    VerificationFailed.type: _verified,
    VerificationUnknown.type: _verified,
    SummaryWritten.type: _summary_written,
    QuestionAsked.type: _question_asked,
    QuestionAnswered.type: _question_answered,
    IncidentRequestRefused.type: _request_refused,
    IncidentNoted.type: _noted,
}
