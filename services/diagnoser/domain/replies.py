"""One short function for each kind of question: from what is known to sentences with citations. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from services.diagnoser.domain.asking import Meant
from services.diagnoser.domain.knowing import Known, Seen, Sentence
from services.diagnoser.domain.summary import durations, summarize
from shared.incident.enums import Stage
from shared.incident.evidence import Evidence, Finding, LogTemplate, LookAlike
from shared.incident.incident import TimelineEntry

LISTED_MAX = 6
_CONCLUDED = ("diagnosis.concluded", "diagnosis.inconclusive", "diagnosis.no_active_fault")
_RULED = (
    "approval.vote_recorded",
    "approval.granted",
    "approval.rejected",
    "approval.expired",
    "approval.withdrawn",
    "approval.superseded",
)

Reply = Callable[[Known, Meant], list[Sentence]]


def _of(entries: Iterable[TimelineEntry], *, by: bool = False) -> list[Sentence]:
    """Return a sentence for each entry, with who did it where that was asked."""
    return [
        Sentence(
            f"{e.text}{f' ({e.actor.label})' if by and e.actor.label not in e.text else ''}, at {e.at:%H:%M:%S} UTC",
            (e.id,),
        )
        for e in entries
    ]


def _shown(items: Sequence[Evidence], most: int = LISTED_MAX) -> list[Sentence]:
    """Return a sentence for each piece of evidence, what is so now first."""
    ordered = sorted(items, key=lambda item: not item.active_now)
    return [Sentence(item.summary, (item.id,)) for item in ordered[:most]]


def _found(findings: Sequence[Finding], before: str = "", most: int = LISTED_MAX) -> list[Sentence]:
    return [Sentence(f"{before}{one.statement}", one.cites) for one in findings[:most]]


def _basis(known: Known) -> tuple[str, ...]:
    """Return what says what the newest investigation looked at."""
    entry = known.last("evidence.gathered")
    return (entry.id,) if entry else known.now


def _diagnosis(known: Known) -> tuple[str, ...]:
    entry = known.last(*_CONCLUDED)
    return (entry.id,) if entry else _basis(known)


def _unseen(known: Known) -> list[Sentence]:
    begun = known.last("investigation.started")
    return [Sentence("Nothing is known yet; an investigation is under way", (begun.id,) if begun else known.now)]


def _cause(known: Known, meant: Meant) -> list[Sentence]:
    seen = known.seen
    if seen is None:
        return _unseen(known)
    result = seen.result
    first = result.causes[0] if result.causes else None
    basis = (*_diagnosis(known), *(first.cites if first else ()))
    sentences = [Sentence(_conclusion(seen), basis)]
    sentences += _found(result.findings, most=3)
    sentences += _found(result.contradictions, "Against it: ", most=2)
    sentences += _found(result.unexplained, "Not explained by it: ", most=2)
    if result.status == "inconclusive":
        sentences += [Sentence(f"To find out: {check}", _diagnosis(known)) for check in result.next_checks[:2]]
    about = [item for item in known.evidence(about=meant.named) if item.kind != "alert"] if meant.named else []
    cited = {cite for sentence in sentences for cite in sentence.cites}
    return [*sentences, *_shown([item for item in about if item.id not in cited], most=2)]


def _conclusion(seen: Seen) -> str:
    result = seen.result
    sure = f"{round(result.confidence * 100)} %"
    words = {
        "diagnosed": f"Likely, at {sure}: {result.statement}",
        "inconclusive": f"No cause stands out: {result.statement}",
        "no_active_fault": f"Nothing is wrong now, at {sure}: {result.statement}",
    }
    return words[result.status] + (f" The diagnosis is degraded: {result.degraded}" if result.degraded else "")


def _confidence(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    seen = known.seen
    if seen is None:
        return _unseen(known)
    result, basis = seen.result, _diagnosis(known)
    first = result.causes[0].cites if result.causes else ()
    sentences = [
        Sentence(f"The confidence is {round(result.confidence * 100)} %: {result.statement}", (*basis, *first))
    ]
    sentences += [Sentence(text, basis) for text in result.confidence_from]
    sentences += _found(result.contradictions, "Against it: ")
    sentences += _found(result.unexplained, "Not explained by it: ")
    return sentences + [
        Sentence(f"Next likely: {c.title or c.cause} at {c.entity}, {round(c.confidence * 100)} %", c.cites)
        for c in result.causes[1:3]
    ]


def _excluded(known: Known, meant: Meant) -> list[Sentence]:
    if known.seen is None:
        return _unseen(known)
    found = _found([one for one in known.seen.result.ruled_out if _names(one.statement, meant)])
    if not found and meant.named:
        return [Sentence(f"Nothing about {_and(meant.named)} was ruled out", _diagnosis(known))]
    return found or [Sentence("Nothing that was considered was ruled out by evidence against it", _diagnosis(known))]


def _names(text: str, meant: Meant) -> bool:
    return not meant.named or any(name in text for name in meant.named)


def _change(known: Known, meant: Meant) -> list[Sentence]:
    if known.seen is None:
        return _unseen(known)
    found = known.evidence("change", about=meant.named)
    if found:
        return _shown(found)
    where = f" at {_and(meant.named)}" if meant.named else ""
    others = _shown(known.evidence("change"))
    if known.looked("changes"):
        return [Sentence(f"No change{where} stands out in what was gathered", _basis(known)), *others]
    return [Sentence("Changes could not be looked at", _gaps(known, "changes")), *others]


def _alerts(known: Known, meant: Meant) -> list[Sentence]:
    entries = known.entries("incident.opened", "incident.alerts_attached", "incident.source_recovered")
    told = _of([*entries[:1], *entries[1:][-2:]])
    firing = f"{known.alerts} alert{'s' if known.alerts != 1 else ''} in all, {known.firing} of them still firing"
    return [*told, Sentence(firing, known.now), *_shown(known.evidence("alert", about=meant.named))]


def _logs(known: Known, meant: Meant) -> list[Sentence]:
    if known.seen is None:
        return _unseen(known)
    found = _shown(known.evidence("log", about=meant.named))
    if found:
        return found
    logs = [log for log in known.seen.logs if not meant.named or log.entity in meant.named]
    logs.sort(key=_surge)
    if logs:
        return [
            Sentence(
                f"{log.count} lines of {log.entity or 'an unknown place'}, {log.baseline_count} before: {log.template}",
                _basis(known),
            )
            for log in logs[:LISTED_MAX]
        ]
    if known.looked("logs"):
        return [Sentence("No log line stands out in what was gathered", _basis(known))]
    return [Sentence("Logs could not be looked at", _gaps(known, "logs"))]


def _surge(log: LogTemplate) -> int:
    return log.baseline_count - log.count


def _gaps(known: Known, collector: str) -> tuple[str, ...]:
    return tuple(item.id for item in known.evidence("gap") if item.channel == collector) or _basis(known)


def _affected(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    entries = known.entries("incident.opened", "incident.alerts_attached")
    places = [*known.services, *known.hosts]
    sentences = [
        Sentence(
            f"The alerts name {_and(places) or 'no service and no host'}",
            tuple(e.id for e in (*entries[:1], *entries[-1:])),
        )
    ]
    moved = [item for item in known.evidence("metric", "state", "log") if item.active_now and item.entity]
    by_place: dict[str, list[str]] = {}
    for item in moved:
        by_place.setdefault(item.entity, []).append(item.id)
    return sentences + [
        Sentence(f"Evidence of trouble at {place}", tuple(ids)) for place, ids in list(by_place.items())[:LISTED_MAX]
    ]


def _done(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    now = Sentence(f"The incident is {known.stage.value.replace('_', ' ')}", known.now)
    told = summarize(known.story, detected=known.detected)
    return [now, *(Sentence(one.text, one.cites) for one in told)]


def _approval(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    ruled = _of(known.entries(*_RULED), by=True)
    asked = known.last("approval.requested")
    if known.stage is Stage.AWAITING_APPROVAL and asked:
        ruled.append(Sentence(f"It waits for an answer: {asked.text}", (asked.id,)))
    if ruled:
        return ruled[-LISTED_MAX:]
    return [Sentence("Nobody was asked for an approval so far, and nothing ran", known.now)]


def _people(known: Known, meant: Meant) -> list[Sentence]:
    found = _of(known.entries("incident.acknowledged", "incident.assigned"), by=True)
    found = found or [Sentence("Nobody has acknowledged it or was assigned", known.now)]
    return [*found, *_shown(known.evidence("oncall", about=meant.named))]


_NEXT: Mapping[Stage, str] = {
    Stage.OPEN: "It is going to be investigated",
    Stage.INVESTIGATING: "An investigation is under way; what it finds decides what is proposed",
    Stage.RECOMMENDED: "A plan is prepared and its preconditions are read; then people are asked",
    Stage.AWAITING_APPROVAL: "A person approves or rejects what is proposed; nothing runs before",
    Stage.EXECUTING: "What was approved is carried out, then it is verified",
    Stage.VERIFYING: "It is verified that it helped; if it did not, what was declared is undone",
    Stage.MITIGATED: "It was verified that it helped; the incident closes when its alerts recover",
    Stage.RESOLVED: "Its alerts have recovered; it closes when nothing is left to do",
    Stage.CLOSED: "Nothing: it is closed. An alert that fires again, or a person, reopens it",
}


def _next(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    sentences = [Sentence(_NEXT.get(known.stage, "Nothing goes on by itself: a person has to take over"), known.now)]
    sentences += _of(entry for entry in [known.last("approval.requested", "recommendation.made")] if entry)
    checks = known.seen.result.next_checks if known.seen and known.stage is not Stage.CLOSED else ()
    return sentences + [Sentence(f"To look at: {check}", _diagnosis(known)) for check in checks[:3]]


def _over(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    ends = _of(
        known.entries(
            "verification.passed",
            "verification.failed",
            "verification.unknown",
            "rollback.finished",
            "incident.source_recovered",
            "incident.reopened",
            "incident.closed",
        )[-3:]
    )
    is_over = known.stage in (Stage.RESOLVED, Stage.CLOSED)
    firing = "no alert fires" if known.firing == 0 else f"{known.firing} of {known.alerts} alerts still fire"
    word = "Yes" if is_over else "Mitigated, not over" if known.stage is Stage.MITIGATED else "No"
    return [Sentence(f"{word}: the incident is {known.stage.value.replace('_', ' ')} and {firing}", known.now), *ends]


def _duration(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    told = [Sentence(one.text, one.cites) for one in durations(known.story, detected=known.detected)]
    return told or [Sentence("Nothing but the opening has happened yet", known.now)]


def _history(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    if known.seen is None:
        return _unseen(known)
    if known.seen.look_alikes:
        return [Sentence(_look_alike(one), (one.id,)) for one in known.seen.look_alikes]
    if known.looked("history"):
        return [Sentence("No closed incident that is remembered here looked like it", _basis(known))]
    return [Sentence("The past incidents were not looked at", _basis(known))]


def _look_alike(one: LookAlike) -> str:
    judged = {"right": ", which a person confirmed", "wrong": ", by a person's word", "": ""}[one.verdict]
    was = f"it was {one.cause}{judged}" if one.cause else "its cause was not found"
    differs = "; ".join(
        [f"only now {_and(one.only_now)}"] * bool(one.only_now)
        + [f"only then {_and(one.only_then)}"] * bool(one.only_then)
    )
    alike = f"{one.incident_id} ({one.title}) was {round(one.likeness * 100)} % alike"
    return f"{alike}; {was}. It differs: {differs or 'in nothing'}"


def _missing(known: Known, meant: Meant) -> list[Sentence]:
    del meant
    if known.seen is None:
        return _unseen(known)
    gaps = [Sentence(item.summary, (item.id,)) for item in known.evidence("gap")[:LISTED_MAX]]
    told = [Sentence(f"Missing: {text}", _diagnosis(known)) for text in known.seen.result.missing[:LISTED_MAX]]
    return gaps or told or [Sentence("Everything that is connected was looked at", _basis(known))]


def _evidence(known: Known, meant: Meant) -> list[Sentence]:
    if known.seen is None:
        return _unseen(known)
    if meant.strange and not meant.named:
        return []
    found = _shown(known.evidence(about=meant.named))
    if found or not meant.named:
        return found or [Sentence("No evidence was found", _basis(known))]
    return [Sentence(f"Nothing stands out at {_and(meant.named)} in what was gathered", _basis(known))]


def _and(names: Iterable[str]) -> str:
    return ", ".join(names)


REPLIES: Mapping[str, Reply] = {
    "confidence": _confidence,
    "history": _history,
    "duration": _duration,
    "over": _over,
    "approval": _approval,
    "people": _people,
    "next": _next,
    "missing": _missing,
    "excluded": _excluded,
    "change": _change,
    "logs": _logs,
    "alerts": _alerts,
    "affected": _affected,
    "done": _done,
    "cause": _cause,
    "evidence": _evidence,
}
