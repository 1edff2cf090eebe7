"""What differs between two looks at the same incident, in words for who decides. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from shared.incident.diagnosis import ActionRecommendation, DiagnosticResult
from shared.incident.numbers import percent

_STATUS: Mapping[str, str] = {
    "diagnosed": "a cause is named",
    "inconclusive": "no cause stands out",
    "no_active_fault": "nothing is wrong",
}


class Stand(TypedDict):
    """What an investigation concluded, as far as another one may differ from it."""

    status: str
    cause: str
    entity: str
    confidence: float
    also: NotRequired[str]
    """Faults beside the first; not known of looks before there were any."""


def stand_of(result: DiagnosticResult) -> Stand:
    """Return what a later result is compared with."""
    first = result.causes[0] if result.causes else None
    cause, entity = (first.cause, first.entity) if first else ("", "")
    also = ", ".join(f"{one.cause} at {one.entity}" for one in result.also)
    return Stand(status=result.status, cause=cause, entity=entity, confidence=result.confidence, also=also)


def differences(before: Stand | None, after: Stand) -> tuple[str, ...]:
    """Return what a conclusion changes: whether a cause is named, which, where, how sure. Nothing for the first one."""
    if before is None:
        return ()
    return _told(
        ("answer", _STATUS[before["status"]], _STATUS[after["status"]]),
        ("cause", before["cause"], after["cause"]),
        ("place", before["entity"], after["entity"]),
        ("confidence", percent(before["confidence"]), percent(after["confidence"])),
        ("beside it", before.get("also", ""), after.get("also", "")),
    )


def replaced(before: ActionRecommendation, after: ActionRecommendation) -> tuple[str, ...]:
    """Return what a recommendation changes: runbook, target, parameters, confidence."""
    names = dict.fromkeys([*before.parameters, *after.parameters])
    is_edited = before.runbook_id == after.runbook_id and before.runbook_sha256 != after.runbook_sha256
    return (
        *_told(("runbook", before.runbook_id, after.runbook_id)),
        *([f"runbook {after.runbook_id} was edited"] if is_edited else []),
        *_told(
            ("place", before.entity, after.entity),
            *((name, _text(before.parameters.get(name)), _text(after.parameters.get(name))) for name in names),
            ("confidence", percent(before.confidence), percent(after.confidence)),
        ),
    )


def _told(*pairs: tuple[str, str, str]) -> tuple[str, ...]:
    return tuple(f"{name} {old or 'none'} → {new or 'none'}" for name, old, new in pairs if old != new)


def _text(value: object) -> str:
    return "" if value is None else str(value)
