"""What is known of an incident when somebody asks: its story, and what the newest investigation saw. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.diagnoser.domain.gaps import EMPTY, OK
from services.diagnoser.domain.summary import TOLD
from shared.events.investigations import CollectorOutcome
from shared.incident.diagnosis import ActionRecommendation, DiagnosticResult
from shared.incident.enums import Stage
from shared.incident.evidence import Evidence, LogTemplate, LookAlike
from shared.incident.incident import TimelineEntry
from shared.incident.model import Model

HEARD = TOLD | {
    "investigation.started",
    "evidence.gathered",
    "recommendation.superseded",
    "approval.requested",
    "approval.vote_recorded",
    "execution.started",
    "execution.finished",
    "incident.acknowledged",
    "incident.assigned",
}
"""The event types that an answer can cite."""


class Seen(Model):
    """What the newest investigation saw and concluded, as its event carried it."""

    investigation_id: str
    result: DiagnosticResult
    evidence: tuple[Evidence, ...] = ()
    logs: tuple[LogTemplate, ...] = ()
    collectors: tuple[CollectorOutcome, ...] = ()
    look_alikes: tuple[LookAlike, ...] = ()


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and the ids it rests on: of timeline entries or of evidence."""

    text: str
    cites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Everything an answer may rest on. `story` is in order and never empty: it begins with the opening."""

    story: Sequence[TimelineEntry]
    stage: Stage
    services: Sequence[str] = ()
    hosts: Sequence[str] = ()
    alerts: int = 0
    firing: int = 0
    seen: Seen | None = None
    proposed: Sequence[ActionRecommendation] = ()
    """The recommendation that stands, best first."""
    proposed_by: str = ""
    """The entry that made it."""
    detected: float | None = None
    """Seconds from the first symptom to the first alert, both in data time."""

    @property
    def now(self) -> tuple[str, ...]:
        """The newest entry: what says that something has not happened rests on the story up to here."""
        return (self.story[-1].id,)

    def entries(self, *types: str) -> list[TimelineEntry]:
        """Return the entries of these types, in order."""
        return [entry for entry in self.story if entry.type in types]

    def last(self, *types: str) -> TimelineEntry | None:
        """Return the newest entry of these types."""
        return next(iter(self.entries(*types)[::-1]), None)

    def evidence(self, *kinds: str, about: Collection[str] = ()) -> list[Evidence]:
        """Return the evidence of these kinds (none given: all but gaps), about these places or channels (none: all)."""
        found = self.seen.evidence if self.seen else ()
        return [
            item
            for item in found
            if (item.kind in kinds if kinds else item.kind != "gap")
            and (not about or item.entity in about or item.channel in about or item.kind in about)
        ]

    def looked(self, collector: str) -> bool:
        """Say whether a collector looked, whatever it found."""
        return bool(self.seen) and any(
            one.collector == collector and one.outcome in (OK, EMPTY)
            for one in (self.seen.collectors if self.seen else ())
        )

    @property
    def names(self) -> frozenset[str]:
        """Places and channels by which a question may name what it is about."""
        found = [*self.services, *self.hosts]
        found += [name for item in self.evidence() for name in (item.entity, item.channel)]
        return frozenset(name for name in found if name)

    @property
    def unlooked(self) -> tuple[str, ...]:
        """What nobody could look at, with the reason."""
        if self.seen is None:
            return ("everything: no investigation has ended yet",)
        gaps = [
            f"{one.collector}: {one.detail or one.outcome}"
            for one in self.seen.collectors
            if one.outcome not in (OK, EMPTY)
        ]
        told = {one.collector for one in self.seen.collectors}
        return tuple(dict.fromkeys([*gaps, *(text for text in self.seen.result.missing if text not in told)]))
