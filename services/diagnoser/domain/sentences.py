"""The sentences that several kinds of answers are made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.diagnoser.domain.knowing import Known, Sentence
from shared.incident.evidence import Evidence, Finding
from shared.incident.incident import TimelineEntry

LISTED_MAX = 6
_CONCLUDED = ("diagnosis.concluded", "diagnosis.inconclusive", "diagnosis.no_active_fault")


def lines_of(entries: Iterable[TimelineEntry], *, by: bool = False) -> list[Sentence]:
    """Return a sentence for each entry, with who did it where that was asked."""
    return [
        Sentence(
            f"{e.text}{f' ({e.actor.label})' if by and e.actor.label not in e.text else ''}, at {e.at:%H:%M:%S} UTC",
            (e.id,),
        )
        for e in entries
    ]


def evidence_of(items: Sequence[Evidence], most: int = LISTED_MAX) -> list[Sentence]:
    """Return a sentence for each piece of evidence, what is so now first."""
    ordered = sorted(items, key=lambda item: not item.active_now)
    return [Sentence(item.summary, (item.id,)) for item in ordered[:most]]


def findings_of(findings: Sequence[Finding], before: str = "", most: int = LISTED_MAX) -> list[Sentence]:
    return [Sentence(f"{before}{one.statement}", one.cites) for one in findings[:most]]


def looked_at(known: Known) -> tuple[str, ...]:
    """Return what says what the newest investigation looked at."""
    entry = known.last("evidence.gathered")
    return (entry.id,) if entry else known.now


def concluded_by(known: Known) -> tuple[str, ...]:
    entry = known.last(*_CONCLUDED)
    return (entry.id,) if entry else looked_at(known)


def nothing_yet(known: Known) -> list[Sentence]:
    return [Sentence("No investigation has brought anything yet", known.now)]


def listed(names: Iterable[str]) -> str:
    return ", ".join(names)
