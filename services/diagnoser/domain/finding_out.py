"""What an investigation brings back, how it is cut to the size of an event, and how all of it is packed to be kept."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
from pydantic import Field

from services.diagnoser.domain.transcript import Transcript
from shared.events.envelope import EVENT_MAX
from shared.events.investigations import CollectorOutcome, EvidenceGathered
from shared.incident.diagnosis import DiagnosticResult
from shared.incident.enums import IncidentCategory, Severity
from shared.incident.evidence import Evidence, Finding, LogTemplate, LookAlike, MetricTimeSeries
from shared.incident.model import Model

SERIES_MAX, POINTS_MAX, TEMPLATES_MAX = 20, 200, 50
EVIDENCE_MAX = 60
SNAPSHOT_BYTES = EVENT_MAX - 4096
DIGITS = 5


class Conclusion(Model):
    """What an engine returns: its result, the evidence it made from what came in, and the log templates it saw."""

    result: DiagnosticResult
    evidence: tuple[Evidence, ...] = ()
    logs: tuple[LogTemplate, ...] = ()
    replies: Transcript | None = Field(default=None, exclude=True)
    """What a model said on the way to it: for the archive, and part of nothing that is told."""


class KnownPlace(Model):
    """What the topology says of an entity: its kind and the services that run there."""

    kind: str = ""
    services: tuple[str, ...] = ()


class Classified(Model):
    """What a model chose of what evidence allows, and why."""

    category: IncidentCategory
    severity: Severity
    reason: str

    @property
    def told(self) -> str:
        """What it chose, in words."""
        return f"{self.category}, {self.severity.upper()}: {self.reason}"


class Arranged(Model):
    """The order in which a model would try what code recommends: each as (runbook, cause, entity)."""

    order: tuple[tuple[str, str, str], ...]
    dropped: tuple[tuple[str, str, str], ...] = ()
    reason: str
    cites: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What it chose, in words."""
        return f"{', '.join(runbook for runbook, _, _ in self.order)}: {self.reason}"


class Findings(Model):
    """The result of the activity `investigate`."""

    result: DiagnosticResult
    gathered: EvidenceGathered
    places: dict[str, KnownPlace] = Field(default_factory=dict)
    signs: tuple[str, ...] = ()
    """What it showed, by which later incidents are found alike."""
    classified: Classified | None = None
    arranged: Arranged | None = None


class Kept(Model):
    """The full data of one run, for the archive: `data` is base64 of what `packed` returns."""

    fence: int
    data: str


def packed(full: Mapping[str, Any]) -> str:
    """Return full data (JSON) as `Kept` carries them to the archive, through an inbox that holds text."""
    return base64.b64encode(zlib.compress(orjson.dumps(full), 6)).decode()


def snapshot(
    investigation_id: str,
    conclusion: Conclusion,
    series: Sequence[MetricTimeSeries],
    collectors: Sequence[CollectorOutcome],
    look_alikes: Sequence[LookAlike] = (),
) -> EvidenceGathered:
    """Return what `evidence.gathered` carries: what the evidence rests on first, cut until it fits."""
    evidence = _most_needed(conclusion)[:EVIDENCE_MAX]
    shown = [thinned(one) for one in _by_relevance(series, evidence)[:SERIES_MAX]]
    logs = list(conclusion.logs[:TEMPLATES_MAX])
    while True:
        event = EvidenceGathered(
            investigation_id=investigation_id,
            evidence=evidence,
            series=tuple(shown),
            logs=tuple(logs),
            collectors=tuple(collectors),
            look_alikes=tuple(look_alikes),
        )
        if len(event.model_dump_json().encode()) <= SNAPSHOT_BYTES or not (shown or logs or evidence):
            return event
        if shown:
            shown.pop()
        elif logs:
            logs = logs[: len(logs) // 2]
        else:
            evidence = evidence[: len(evidence) // 2]


def _most_needed(conclusion: Conclusion) -> tuple[Evidence, ...]:
    """Return the evidence, what the result cites first, then what was missing and what is written."""
    result = conclusion.result
    citing = [*(cause.cites for cause in (*result.causes, *result.also)), *(f.cites for f in _told(result))]
    cited = {name for cites in citing for name in cites}
    return tuple(
        sorted(conclusion.evidence, key=lambda item: (item.id not in cited, item.kind not in ("gap", "article")))
    )


def _told(result: DiagnosticResult) -> tuple[Finding, ...]:
    return (*result.findings, *result.contradictions, *result.unexplained, *result.ruled_out)


def _by_relevance(series: Sequence[MetricTimeSeries], evidence: Iterable[Evidence]) -> list[MetricTimeSeries]:
    cited = {item.series_id: number for number, item in reversed(list(enumerate(evidence))) if item.series_id}
    return sorted(series, key=lambda one: (cited.get(one.id, len(cited) + EVIDENCE_MAX), one.id))


def thinned(series: MetricTimeSeries) -> MetricTimeSeries:
    """Return a series of at most `POINTS_MAX` points: means of equal spans, so that a rerun gives the same."""
    stride = -(-len(series.values) // POINTS_MAX) or 1
    spans = [series.values[start : start + stride] for start in range(0, len(series.values), stride)]
    return series.model_copy(
        update={
            "values": tuple(_mean(span) for span in spans),
            "step_seconds": series.step_seconds * stride,
            "start": series.start + timedelta(seconds=series.step_seconds * (stride - 1) / 2),
        }
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(f"{sum(known) / len(known):.{DIGITS}g}") if known else None
