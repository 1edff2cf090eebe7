"""The summary of a closed incident: sentences by code, each citing the timeline entries it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.diagnoser.domain.advice import Advice
from shared.events.investigations import SummarySentence
from shared.incident.incident import TimelineEntry

JSON = Any

ENTRIES_KEPT = 120
"""Entries that the summary is made from: the first and the newest."""
CITES_MAX = 20
JOINED = "incident.alerts_attached"
JOINED_NEWEST = 2
"""Of the entries about alerts that joined, so many of the newest are kept beside those that a summary may cite."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One sentence of the summary: from which entries, and how they become text."""

    types: tuple[str, ...]
    tell: Callable[[Sequence[TimelineEntry]], str]


def summarize(story: Iterable[TimelineEntry], *, detected: float | None = None) -> tuple[SummarySentence, ...]:
    """Return the summary of an incident. Same story, same summary. `detected`: as in `durations`."""
    entries = list(story)
    sentences = []
    for chapter in CHAPTERS:
        part = [entry for entry in entries if entry.type in chapter.types]
        if part:
            cites = tuple(dict.fromkeys(entry.id for entry in part))
            sentences.append(SummarySentence(text=chapter.tell(part), cites=cites[:CITES_MAX]))
    return tuple(sentences + durations(entries, detected=detected))


def with_advice(
    said: Iterable[SummarySentence], advice: Advice, story: Iterable[TimelineEntry]
) -> tuple[SummarySentence, ...]:
    """Return a summary by code with what a model adds: first, and each sentence citing entries that are there."""
    there = {entry.id for entry in story}
    added = [
        SummarySentence(text=f"{one.text.rstrip('. ')}.", cites=one.cites)
        for one in advice.sentences
        if there.issuperset(one.cites)
    ]
    told = {one.text for one in added}
    return (*added, *(one for one in said if one.text not in told))


def keep(story: list[JSON], entry: JSON) -> list[JSON]:
    """Return the story with one more entry (as JSON), each id once, bounded in the middle.

    In a storm alerts join many times a second; of these entries only those are kept that anybody is told.
    """
    if any(known["id"] == entry["id"] for known in story):
        return story
    grown = [*story, entry]
    joined = [known["id"] for known in grown if known["type"] == JOINED]
    untold = set(joined[CITES_MAX:-JOINED_NEWEST])
    if untold:
        grown = [known for known in grown if known["id"] not in untold]
    return grown if len(grown) <= ENTRIES_KEPT else [*grown[: ENTRIES_KEPT // 2], *grown[ENTRIES_KEPT // 2 + 1 :]]


DAY = 24
"""Hours."""


def _last(part: Sequence[TimelineEntry]) -> str:
    return _sentence(part[-1].text)


def _all(part: Sequence[TimelineEntry]) -> str:
    texts = list(dict.fromkeys(entry.text for entry in part))
    more = f"; and {len(texts) - 4} more" if len(texts) > 4 else ""  # noqa: PLR2004 -- as many as one line holds
    return _sentence("; ".join(texts[:4]) + more)


def _by(part: Sequence[TimelineEntry]) -> str:
    return _sentence(", then ".join(_lower(entry.text) + _actor(entry) for entry in part[-3:]))


def _actor(entry: TimelineEntry) -> str:
    return "" if entry.actor.label in entry.text else f" ({entry.actor.label})"


def _opened(part: Sequence[TimelineEntry]) -> str:
    more = f"; {_lower(part[-1].text)}" if len(part) > 1 else ""
    return _sentence(f"{part[0].text} at {part[0].at:%H:%M:%S} UTC on {part[0].at:%Y-%m-%d}{more}")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


CHAPTERS: tuple[Chapter, ...] = (
    Chapter(("incident.opened", "incident.alerts_attached"), _opened),
    Chapter(("incident.severity_raised",), _last),
    Chapter(("diagnosis.concluded",), _last),
    Chapter(("diagnosis.inconclusive", "diagnosis.no_active_fault"), _last),
    Chapter(("recommendation.made",), _last),
    Chapter(("plan.refused",), _last),
    Chapter(
        (
            "approval.granted",
            "approval.rejected",
            "approval.expired",
            "approval.withdrawn",
            "approval.superseded",
        ),
        _by,
    ),
    Chapter(("step.succeeded", "step.failed", "step.unknown", "step.reconciled", "step.skipped"), _all),
    Chapter(("execution.cancelled",), _last),
    Chapter(("verification.passed", "verification.failed", "verification.unknown"), _all),
    Chapter(("rollback.finished",), _last),
    Chapter(("handoff.requested",), _last),
    Chapter(("incident.source_recovered",), _last),
    Chapter(("incident.reopened",), _all),
    Chapter(("incident.closed",), _last),
)
_DIAGNOSED = ("diagnosis.concluded", "diagnosis.inconclusive", "diagnosis.no_active_fault")
TOLD = frozenset(name for chapter in CHAPTERS for name in chapter.types)
"""The event types that a summary can cite."""


def durations(entries: Sequence[TimelineEntry], *, detected: float | None = None) -> list[SummarySentence]:
    """Return how long it took: to be detected, in data time, then from step to step by the clock on the wall.

    `detected` is seconds from the first symptom that the diagnosis cites to the first alert; None: not known.
    """
    opened = next((entry for entry in entries if entry.type == "incident.opened"), None)
    if opened is None:
        return []
    asked, approved = (_first(entries, (f"approval.{word}",)) for word in ("requested", "granted"))
    parts = [
        ("from the opening to the diagnosis", opened, _first(entries, _DIAGNOSED)),
        ("from the question to the approval", asked, approved),
        ("from the opening to the approval", opened, approved),
        ("from the opening to the verified fix", opened, _first(entries, ("verification.passed",))),
        ("from the opening to the end", opened, _first(entries[::-1], ("incident.closed",))),
    ]
    reached = [(name, start, end) for name, start, end in parts if start is not None and end is not None]
    sentences = []
    if detected is not None:
        seen = [entry.id for entry in entries if entry.type in ("evidence.gathered", *_DIAGNOSED)]
        text = f"The first alert came {span(detected)} after the first symptom that the diagnosis cites (data time)."
        sentences.append(SummarySentence(text=text, cites=(opened.id, *seen[-1:])))
    if reached:
        told = ", ".join(f"{name} {span((end.at - start.at).total_seconds())}" for name, start, end in reached)
        cites = dict.fromkeys(entry.id for _, start, end in reached for entry in (start, end))
        sentences.append(SummarySentence(text=_sentence(told), cites=tuple(cites)))
    return sentences


def _first(entries: Sequence[TimelineEntry], types: tuple[str, ...]) -> TimelineEntry | None:
    return next((entry for entry in entries if entry.type in types), None)


def span(seconds: float) -> str:
    """Return a length of time as people say it."""
    minutes, seconds = divmod(max(int(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= DAY:
        return f"{hours // DAY} d {hours % DAY} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
