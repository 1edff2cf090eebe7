"""What a model is told in each small step, and what becomes of what it says. Pure.

To classify and to recommend it is told nothing that people or sources wrote: a choice must not hang on words that
anybody can put into a title, a label or a log line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.diagnoser.domain.advice import TROUBLED_LEAST, Advice, Facts, Option, StepName
from services.diagnoser.domain.finding_out import Arranged, Classified
from services.diagnoser.domain.knowing import Known
from shared.events.investigations import QuestionAnswered, SummarySentence
from shared.incident.diagnosis import ActionRecommendation, DiagnosticResult, RecommendationSet
from shared.incident.enums import IncidentCategory, Severity
from shared.incident.evidence import Evidence
from shared.incident.incident import TimelineEntry
from shared.incident.numbers import percent

FIRST_MAX, NEWEST_MAX = 6, 20
"""Entries of a timeline that a model is told."""
EVIDENCE_MAX = 30
SAID_MAX = 8
REASON_MAX = 300

Key = tuple[str, str, str]
"""Runbook, cause and entity of a recommendation."""


def to_answer(incident_id: str, question: str, known: Known, said: QuestionAnswered) -> Facts:
    """Return what a model is told to answer a question; `said` is the answer by code."""
    return Facts(
        incident_id=incident_id,
        question=question,
        entries=_newest(known.story),
        evidence=known.seen.evidence[:EVIDENCE_MAX] if known.seen else (),
        names=tuple(sorted(known.names)),
        sentences=() if said.can_ask else _texts(said.sentences),
    )


def to_summarise(
    incident_id: str, story: Sequence[TimelineEntry], names: Iterable[str], said: Iterable[SummarySentence]
) -> Facts:
    """Return what a model is told to sum up an incident; `said` is the summary by code."""
    return Facts(incident_id=incident_id, entries=_newest(story), names=tuple(names), sentences=_texts(said))


def to_classify(
    incident_id: str, severity: Severity, result: DiagnosticResult, evidence: Iterable[Evidence]
) -> Facts | None:
    """Return what a model is told to classify an incident; None when evidence leaves it no choice.

    A category is one of those of the causes that code could not decide between; a severity may be one worse, and is
    never the worst: that is for sources and people to say.
    """
    measured = _measured(evidence)
    troubled = {item.entity for item in measured if item.active_now and item.kind in ("metric", "state")} - {""}
    families = [cause.cause.partition(".")[0] for cause in result.causes if result.status == "inconclusive"]
    categories = [result.category, *(IncidentCategory(name) for name in families if name in list(IncidentCategory))]
    worse = [one for one in Severity if 1 < one.rank == severity.rank - 1 and len(troubled) >= TROUBLED_LEAST]
    options = [Option(id=name, kind="category") for name in dict.fromkeys(categories)]
    options += [Option(id=one, kind="severity", rank=one.rank) for one in (severity, *worse)]
    if len(options) == 2:  # noqa: PLR2004 -- one category and one severity
        return None
    return Facts(incident_id=incident_id, evidence=measured, options=tuple(options))


def classified(advice: Advice, facts: Facts) -> Classified | None:
    """Return what a model chose, None when it is what code says."""
    first = [next(option.id for option in facts.options if option.kind == kind) for kind in ("category", "severity")]
    if not advice.sentences or set(advice.chosen) in (set(), set(first)):
        return None
    [category] = [name for name in advice.chosen if name in list(IncidentCategory)]
    [severity] = [name for name in advice.chosen if name in list(Severity)]
    return Classified(category=IncidentCategory(category), severity=Severity(severity), reason=_reason(advice))


def to_recommend(incident_id: str, found: RecommendationSet, evidence: Iterable[Evidence]) -> Facts | None:
    """Return what a model is told to put runbooks in order; None when there is nothing behind the first."""
    if len(found.items) < 2:  # noqa: PLR2004 -- the first stays the first
        return None
    options = [
        Option(id=f"R{number:02d}", kind="runbook", text=_told(item), rank=item.risk.rank)
        for number, item in enumerate(found.items, start=1)
    ]
    return Facts(incident_id=incident_id, evidence=_measured(evidence), options=tuple(options))


def in_order(advice: Advice, facts: Facts, found: RecommendationSet) -> Arranged | None:
    """Return the order a model chose, None when it is that of code."""
    given = {option.id: key_of(item) for option, item in zip(facts.options, found.items, strict=True)}
    if not advice.sentences or advice.chosen in ((), tuple(given)):
        return None
    return Arranged(
        order=tuple(given[name] for name in advice.chosen),
        dropped=tuple(key for name, key in given.items() if name not in advice.chosen),
        reason=_reason(advice),
        cites=tuple(dict.fromkeys(cite for sentence in advice.sentences for cite in sentence.cites)),
    )


def arranged(found: RecommendationSet, by: Arranged | None) -> RecommendationSet:
    """Return the runbooks that code allows in the order of a model. The first is always that of code."""
    if by is None or not found.items or key_of(found.items[0]) != by.order[0]:
        return found
    first, *rest = found.items
    kept = [item for item in rest if key_of(item) not in by.dropped]
    places = {key: number for number, key in enumerate(by.order)}
    kept.sort(key=lambda item: places.get(key_of(item), len(places)))
    items = [first, *(_moved(item, by) if item != rest[n : n + 1][0] else item for n, item in enumerate(kept))]
    return RecommendationSet(items=tuple(items))


def did(step: StepName, advice: Advice | None, unasked: str, chose: str) -> tuple[str, ...]:
    """Say what a model did in a step, or why it was not asked; nothing of one in which it has no word."""
    if advice is None:
        return (f"{step}: not asked, {unasked}",)
    if advice.degraded:
        return ()
    return (f"{step}: {f'it chose {chose}' if chose else 'it agrees with code'}",)


def key_of(item: ActionRecommendation) -> Key:
    """Return what tells a recommendation from others."""
    return item.runbook_id, item.cause, item.entity


def _moved(item: ActionRecommendation, by: Arranged) -> ActionRecommendation:
    cites = tuple(dict.fromkeys([*item.cites, *by.cites]))
    return item.model_copy(update={"behind": f"the model put it here: {by.reason}", "cites": cites})


def _told(item: ActionRecommendation) -> str:
    undo = "reversible" if item.reversible else "not reversible"
    cause = f"{item.cause} at {item.entity}, {percent(item.confidence)}"
    return f"{item.title}: risk {item.risk}, {undo}; for {cause}; expected: {item.expected_effect}"


def _measured(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(item for item in evidence if item.trust != "user_text" and item.kind != "gap")[:EVIDENCE_MAX]


def _reason(advice: Advice) -> str:
    return "; ".join(f"{one.text} [{', '.join(one.cites)}]" for one in advice.sentences)[:REASON_MAX]


def _newest(story: Sequence[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    most = FIRST_MAX + NEWEST_MAX
    return tuple(story) if len(story) <= most else (*story[:FIRST_MAX], *story[-NEWEST_MAX:])


def _texts(said: Iterable[SummarySentence]) -> tuple[str, ...]:
    return tuple(sentence.text for sentence in said)[:SAID_MAX]
