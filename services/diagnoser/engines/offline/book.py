"""The evidence of one conclusion. What a statement cites is entered here first, so every citation exists.

Ids are the kind's letter and the number of the item in the case: `M07` is its seventh series in every rerun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from services.diagnoser.domain.case import CaseAlert, CaseChange
from services.diagnoser.engines.offline.changes import Link, kind_of
from services.diagnoser.engines.offline.facts import Fact
from services.diagnoser.engines.offline.logs import Shape
from services.diagnoser.engines.offline.scene import Observation, Scene
from services.diagnoser.engines.offline.wording import clipped, moved, span
from shared.incident.evidence import SUMMARY_MAX, Evidence, Finding

Seen = Observation | Shape | Fact
_DIGITS = 5
QUOTED = 90


@dataclass(slots=True)
class Book:
    """Evidence in the order in which it was first cited: what matters most comes first."""

    scene: Scene
    entries: dict[str, Evidence] = field(default_factory=dict)
    _gaps: dict[str, str] = field(default_factory=dict)

    def cite(self, seen: Iterable[Seen]) -> tuple[str, ...]:
        """Enter what was seen and return the ids."""
        return tuple(self.finding(one).cites[0] for one in seen)

    def finding(self, one: Seen) -> Finding:
        """Enter what was seen and return the sentence that cites it."""
        if isinstance(one, Observation):
            return Finding(statement=moved(one), cites=(self._observation(one),))
        if isinstance(one, Fact):
            return Finding(statement=told(one), cites=(self._fact(one),))
        said = f"{one.entity or 'The log'}: {counted(one)}: {clipped(one.template, QUOTED)}"
        return Finding(statement=said, cites=(self._shape(one),))

    def link(self, link: Link) -> str:
        """Enter a change that may be the cause and return its id."""
        reached = f" on {', '.join(link.change.hosts)}" if link.change.hosts else ""
        return self.change(link.number, link.change, f"{reached}, {before(link.delay)}")

    def change(self, number: int, change: CaseChange, remark: str = "") -> str:
        """Enter a change and return its id."""
        return self._enter(
            Evidence(
                id=f"C{number + 1:02d}",
                kind="change",
                entity=change.entity,
                channel=kind_of(change),
                start=_moment(change.at),
                summary=clipped(f"{change.title or name_of(change)}{remark}", SUMMARY_MAX),
                trust="user_text",
            )
        )

    def alert(self, number: int, alert: CaseAlert) -> str:
        """Enter an alert and return its id."""
        place = self.scene.alerts.get(number, alert.place)
        title = alert.title or f"{alert.metric} of {place}"
        return self._enter(
            Evidence(
                id=f"A{number + 1:02d}",
                kind="alert",
                entity=place,
                start=_moment(alert.at),
                active_now=not alert.is_over,
                summary=clipped(f"alert: {title}", SUMMARY_MAX),
                trust="user_text",
            )
        )

    def gap(self, what: str, entity: str = "") -> str:
        """Enter something that should be known and is not, and return its id."""
        if what not in self._gaps:
            self._gaps[what] = f"G{len(self._gaps) + 1:02d}"
        summary = clipped(f"not known: {what}", SUMMARY_MAX)
        return self._enter(
            Evidence(id=self._gaps[what], kind="gap", entity=entity, summary=summary, active_now=False, trust="system")
        )

    def _observation(self, one: Observation) -> str:
        stands = one.standing
        direction = "ramp" if one.is_ramp else "flat" if abs(stands.shift) < 1 else "up" if stands.shift > 0 else "down"
        since = self.scene.now - one.onset if self.scene.now is not None and one.onset is not None else None
        told = moved(one) + (f", for {span(since)}" if since else "")
        return self._enter(
            Evidence(
                id=f"M{one.number + 1:02d}",
                kind="metric",
                entity=one.entity,
                channel=one.channel,
                start=_moment(one.onset),
                end=_moment(self.scene.now),
                direction=direction,
                before=_short(stands.before),
                after=_short(stands.after),
                magnitude=_short(stands.shift),
                unit=one.series.unit,
                active_now=one.is_harmful,
                summary=clipped(told, SUMMARY_MAX),
                query=one.series.name,
                series_id=one.series.id or None,
            )
        )

    def _shape(self, shape: Shape) -> str:
        return self._enter(
            Evidence(
                id=f"L{shape.number + 1:02d}",
                kind="log",
                entity=shape.entity,
                channel=shape.level,
                start=_moment(shape.first_at),
                end=_moment(shape.last_at),
                direction="new" if not shape.earlier else "up",
                before=float(shape.earlier),
                after=float(shape.count),
                magnitude=_short(shape.surge),
                unit="lines",
                active_now=self.scene.is_current(shape),
                summary=clipped(f"{counted(shape)}: {shape.template}", SUMMARY_MAX),
                trust="user_text",
            )
        )

    def _fact(self, fact: Fact) -> str:
        return self._enter(
            Evidence(
                id=f"S{fact.number + 1:02d}",
                kind="state",
                entity=fact.entity,
                channel=fact.kind,
                start=_moment(fact.at),
                active_now=fact.counts,
                summary=clipped(told(fact), SUMMARY_MAX),
                trust="telemetry" if fact.is_text else "system",
            )
        )

    def _enter(self, item: Evidence) -> str:
        self.entries.setdefault(item.id, item)
        return item.id


def told(fact: Fact) -> str:
    """Say a fact."""
    return f"{fact.entity or 'The system'}: {fact.text}{'' if fact.is_current else ', earlier'}"


def counted(shape: Shape) -> str:
    """Say how often lines of a shape came."""
    earlier = f"{shape.earlier} before" if shape.earlier else "never before"
    return f"{shape.count} {shape.level} lines, {earlier}"


def name_of(change: CaseChange) -> str:
    """Return what a change is called in sentences: its facts, never the text somebody wrote about it."""
    version = change.details.get("version_to")
    named = f" {version}" if isinstance(version, str) else ""
    return clipped(f"{kind_of(change) or 'change'} of {change.entity}{named}", 100)


def before(delay: float) -> str:
    """Say when a change came, against the onset of harm."""
    return f"{span(delay)} before it began" if delay >= 1 else "as it began"


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
