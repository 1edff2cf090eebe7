"""From causes to ranked runbooks with typed parameters. A runbook is selected, never written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.incident.diagnosis import (
    ActionRecommendation,
    DiagnosticResult,
    ParameterValue,
    RankedCause,
    RecommendationSet,
)
from shared.incident.enums import RiskLevel
from shared.runbooks.model import Input, Runbook

_TYPES: Mapping[str, type] = {"string": str, "host": str, "service": str, "integer": int, "boolean": bool}
RECOMMENDED_MAX = 5


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of the entity of a cause: its kind in the topology (empty: unknown) and what runs there."""

    kind: str = ""
    services: tuple[str, ...] = ()


def recommend(
    result: DiagnosticResult,
    runbooks: Iterable[Runbook],
    places: Mapping[str, Place],
    services: Sequence[str],
) -> RecommendationSet:
    """Return the runbooks that answer the causes of a diagnosis, best first.

    A runbook whose inputs cannot be filled in from what is known is left out: nobody may guess a target.
    """
    if result.status != "diagnosed":
        return RecommendationSet()
    found = [
        item
        for cause in result.causes
        for runbook in sorted(runbooks, key=lambda runbook: runbook.id)
        if runbook.match.fits(cause.cause, cause.confidence)
        if (item := _item(result, cause, runbook, _place(cause, places, services))) is not None
    ]
    found.sort(key=lambda item: (-item.confidence, item.risk.rank, item.runbook_id))
    return RecommendationSet(items=tuple(found[:RECOMMENDED_MAX]))


def identity(recommendations: RecommendationSet) -> list[list[object]]:
    """Return what makes a recommendation another one: runbook, its digest and its parameters, of the best."""
    return [[item.runbook_id, item.runbook_sha256, dict(item.parameters)] for item in recommendations.items[:1]]


def _place(cause: RankedCause, places: Mapping[str, Place], services: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return (value, kind) by where an input may come from."""
    place = places.get(cause.entity, Place())
    there = [service for service in services if service in place.services]
    service = cause.entity if place.kind == "service" else next(iter([*there, *place.services, *services]), "")
    return {
        "cause.entity": (cause.entity, place.kind),
        "cause.service": (service, "service"),
        "incident.service": (services[0] if services and service not in services else service, "service"),
    }


def _item(
    result: DiagnosticResult, cause: RankedCause, runbook: Runbook, known: Mapping[str, tuple[str, str]]
) -> ActionRecommendation | None:
    parameters: dict[str, ParameterValue] = {}
    for name, wanted in runbook.inputs.items():
        value = _value(wanted, known)
        if value is None:
            return None
        parameters[name] = value
    return ActionRecommendation(
        runbook_id=runbook.id,
        runbook_sha256=runbook.sha256,
        title=runbook.title,
        cause=cause.cause,
        entity=cause.entity,
        parameters=parameters,
        risk=RiskLevel(runbook.risk),
        reversible=runbook.reversible,
        confidence=cause.confidence,
        rationale=cause.title or result.statement,
        expected_effect=runbook.expected_effect,
        cites=cause.cites,
    )


def _value(wanted: Input, known: Mapping[str, tuple[str, str]]) -> ParameterValue | None:
    value, kind = known.get(wanted.from_, ("", ""))
    if not value:
        return wanted.default
    if wanted.type in ("host", "service") and kind not in ("", wanted.type):
        return None
    if wanted.pattern and not re.fullmatch(wanted.pattern, value):
        return None
    return value if _TYPES[wanted.type] is str else None
