"""Answers about what was found: the cause and how sure it is, evidence, changes, logs, gaps and history. Pure."""

from __future__ import annotations

from services.diagnoser.domain.asking import Meant
from services.diagnoser.domain.knowing import Known, Seen, Sentence
from services.diagnoser.domain.sentences import (
    LISTED_MAX,
    concluded_by,
    evidence_of,
    findings_of,
    listed,
    looked_at,
    nothing_yet,
)
from shared.incident.evidence import LogTemplate, LookAlike
from shared.incident.numbers import percent


def cause(known: Known, meant: Meant) -> list[Sentence]:
    """What is the cause?"""
    seen = known.seen
    if seen is None:
        return nothing_yet(known)
    result = seen.result
    first = result.causes[0] if result.causes else None
    basis = (*concluded_by(known), *(first.cites if first else ()))
    sentences = [Sentence(_conclusion(seen), basis)]
    sentences += findings_of(result.findings, most=3)
    sentences += findings_of(result.contradictions, "Against it: ", most=2)
    sentences += findings_of(result.unexplained, "Not explained by it: ", most=2)
    if result.status == "inconclusive":
        sentences += [Sentence(f"To find out: {check}", concluded_by(known)) for check in result.next_checks[:2]]
    about = [item for item in known.evidence(about=meant.named) if item.kind != "alert"] if meant.named else []
    cited = {cite for sentence in sentences for cite in sentence.cites}
    return [*sentences, *evidence_of([item for item in about if item.id not in cited], most=2)]


def _conclusion(seen: Seen) -> str:
    result = seen.result
    sure = percent(result.confidence)
    words = {
        "diagnosed": f"Likely, at {sure}: {result.statement}",
        "inconclusive": f"No cause stands out: {result.statement}",
        "no_active_fault": f"Nothing is wrong now, at {sure}: {result.statement}",
    }
    return words[result.status] + (f" The diagnosis is degraded: {result.degraded}" if result.degraded else "")


def confidence(known: Known, meant: Meant) -> list[Sentence]:
    """How sure is it, and why?"""
    del meant
    seen = known.seen
    if seen is None:
        return nothing_yet(known)
    result, basis = seen.result, concluded_by(known)
    first = result.causes[0].cites if result.causes else ()
    sentences = [Sentence(f"The confidence is {percent(result.confidence)}: {result.statement}", (*basis, *first))]
    sentences += [Sentence(text, basis) for text in result.confidence_from]
    sentences += findings_of(result.contradictions, "Against it: ")
    sentences += findings_of(result.unexplained, "Not explained by it: ")
    return sentences + [
        Sentence(f"Next likely: {c.title or c.cause} at {c.entity}, {percent(c.confidence)}", c.cites)
        for c in result.causes[1:3]
    ]


def excluded(known: Known, meant: Meant) -> list[Sentence]:
    """What was ruled out?"""
    if known.seen is None:
        return nothing_yet(known)
    found = findings_of([one for one in known.seen.result.ruled_out if _names(one.statement, meant)])
    if not found and meant.named:
        return [Sentence(f"Nothing about {listed(meant.named)} was ruled out", concluded_by(known))]
    return found or [Sentence("Nothing that was considered was ruled out by evidence against it", concluded_by(known))]


def _names(text: str, meant: Meant) -> bool:
    return not meant.named or any(name in text for name in meant.named)


def change(known: Known, meant: Meant) -> list[Sentence]:
    """What changed?"""
    if known.seen is None:
        return nothing_yet(known)
    found = known.evidence("change", about=meant.named)
    if found:
        return evidence_of(found)
    where = f" at {listed(meant.named)}" if meant.named else ""
    others = evidence_of(known.evidence("change"))
    if known.looked("changes"):
        return [Sentence(f"No change{where} stands out in what was gathered", looked_at(known)), *others]
    return [Sentence("Changes could not be looked at", _gaps(known, "changes")), *others]


def logs(known: Known, meant: Meant) -> list[Sentence]:
    """Which log lines stand out?"""
    if known.seen is None:
        return nothing_yet(known)
    found = evidence_of(known.evidence("log", about=meant.named))
    if found:
        return found
    logs = [log for log in known.seen.logs if not meant.named or log.entity in meant.named]
    logs.sort(key=_surge)
    if logs:
        return [
            Sentence(
                f"{log.count} lines of {log.entity or 'an unknown place'}, {log.baseline_count} before: {log.template}",
                looked_at(known),
            )
            for log in logs[:LISTED_MAX]
        ]
    if known.looked("logs"):
        return [Sentence("No log line stands out in what was gathered", looked_at(known))]
    return [Sentence("Logs could not be looked at", _gaps(known, "logs"))]


def _surge(log: LogTemplate) -> int:
    return log.baseline_count - log.count


def _gaps(known: Known, collector: str) -> tuple[str, ...]:
    return tuple(item.id for item in known.evidence("gap") if item.channel == collector) or looked_at(known)


def history(known: Known, meant: Meant) -> list[Sentence]:
    """Has this happened before?"""
    del meant
    if known.seen is None:
        return nothing_yet(known)
    if known.seen.look_alikes:
        return [Sentence(_look_alike(one), (one.id,)) for one in known.seen.look_alikes]
    if known.looked("history"):
        return [Sentence("No closed incident that is remembered here looked like it", looked_at(known))]
    return [Sentence("The past incidents were not looked at", looked_at(known))]


def _look_alike(one: LookAlike) -> str:
    judged = {"right": ", which a person confirmed", "wrong": ", by a person's word", "": ""}[one.verdict]
    was = f"it was {one.cause}{judged}" if one.cause else "its cause is not known"
    differs = "; ".join(
        [f"only now {listed(one.only_now)}"] * bool(one.only_now)
        + [f"only then {listed(one.only_then)}"] * bool(one.only_then)
    )
    alike = f"{one.incident_id} ({one.title}) was {percent(one.likeness)} alike"
    return f"{alike}; {was}. It differs: {differs or 'in nothing'}"


def articles(known: Known, meant: Meant) -> list[Sentence]:
    """Is anything written about it?"""
    del meant
    if known.seen is None:
        return nothing_yet(known)
    found = evidence_of(known.evidence("article"))
    if found or known.looked("knowledge"):
        return found or [Sentence("Nothing that is written fits its words", looked_at(known))]
    return [Sentence("Written knowledge could not be looked at", _gaps(known, "knowledge"))]


def missing(known: Known, meant: Meant) -> list[Sentence]:
    """What was not checked?"""
    del meant
    if known.seen is None:
        return nothing_yet(known)
    gaps = [Sentence(item.summary, (item.id,)) for item in known.evidence("gap")[:LISTED_MAX]]
    told = [Sentence(f"Missing: {text}", concluded_by(known)) for text in known.seen.result.missing[:LISTED_MAX]]
    return gaps or told or [Sentence("Everything that is connected was looked at", looked_at(known))]


def evidence(known: Known, meant: Meant) -> list[Sentence]:
    """What is known about a place or a measurement?"""
    if known.seen is None:
        return nothing_yet(known)
    if meant.strange and not meant.named:
        return []
    found = evidence_of(known.evidence(about=meant.named))
    if found or not meant.named:
        return found or [Sentence("No evidence was found", looked_at(known))]
    return [Sentence(f"Nothing stands out at {listed(meant.named)} in what was gathered", looked_at(known))]
