"""From causes to ranked runbooks with typed parameters. A runbook is selected, never written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.incident.diagnosis import (
    ActionRecommendation,
    DiagnosticResult,
    ParameterValue,
    RankedCause,
    RecommendationSet,
)
from shared.incident.enums import RiskLevel
from shared.incident.numbers import percent
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

    A runbook whose inputs cannot be filled in from what is known is left out: nobody may guess a target. So is one that
    does what the first cause, a fault beside it, or the cause it answers, forbids.
    """
    if result.status != "diagnosed":
        return RecommendationSet()
    heeded = [*result.causes[:1], *result.also]
    found = [
        item
        for cause in result.causes
        for runbook in sorted(runbooks, key=lambda runbook: runbook.id)
        if runbook.match.fits(cause.cause, cause.confidence) and not forbidden(runbook, [*heeded, cause])
        if (item := _item(result, cause, runbook, _place(cause, places, services))) is not None
    ]
    found.sort(key=lambda item: (-item.confidence, item.risk.rank, item.runbook_id))
    return RecommendationSet(items=tuple(_compared(found[:RECOMMENDED_MAX])))


def forbidden(runbook: Runbook, causes: Iterable[RankedCause]) -> str:
    """Return why a runbook would do harm if one of these is the cause, or nothing. Undoing counts as doing."""
    verbs = [step.uses for step in runbook.actions]
    verbs += [step.rollback.uses for step in runbook.actions if step.rollback]
    plain = [verb.partition("@")[0] for verb in verbs]
    rules = [rule for cause in causes for rule in cause.never]
    return next((r.why for r in rules if any(fnmatchcase(verb, p) for verb in plain for p in r.verbs)), "")


def _compared(found: Sequence[ActionRecommendation]) -> Iterator[ActionRecommendation]:
    """Say of each but the first why another one goes before it."""
    for before, item in zip([None, *found], found, strict=False):
        yield item if before is None else item.model_copy(update={"behind": _why_behind(before, item)})


def _why_behind(before: ActionRecommendation, item: ActionRecommendation) -> str:
    if before.confidence != item.confidence:
        return f"its cause is less likely: {percent(item.confidence)}, not {percent(before.confidence)}"
    if before.risk != item.risk:
        return f"its risk is {item.risk}, that of {before.runbook_id} is {before.risk}"
    return f"as likely and as risky as {before.runbook_id}; put in order by name"


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
        verification=_filled(runbook.verify.name, parameters),
        integrations=tuple(dict.fromkeys(step.uses.partition("/")[0] for step in runbook.actions)),
        cites=cause.cites,
    )


def _filled(text: str, parameters: Mapping[str, ParameterValue]) -> str:
    """Return a name of a runbook with its inputs filled in; what is read later stays as it is written."""
    for name, value in parameters.items():
        text = text.replace(f"${{{{ inputs.{name} }}}}", str(value))
    return text


def _value(wanted: Input, known: Mapping[str, tuple[str, str]]) -> ParameterValue | None:
    value, kind = known.get(wanted.from_, ("", ""))
    if not value:
        return wanted.default
    if wanted.type in ("host", "service") and kind not in ("", wanted.type):
        return None
    if wanted.pattern and not re.fullmatch(wanted.pattern, value):
        return None
    return value if _TYPES[wanted.type] is str else None
