"""Answers about how it goes: alerts, who suffers, what was done and by whom, what comes next, how long. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.diagnoser.domain.asking import Meant
from services.diagnoser.domain.knowing import Known, Sentence
from services.diagnoser.domain.sentences import LISTED_MAX, concluded_by, evidence_of, lines_of, listed
from services.diagnoser.domain.summary import durations, summarize
from shared.incident.diagnosis import RankedCause
from shared.incident.enums import Stage

BY_HAND_MAX = 3
_RULED = (
    "approval.vote_recorded",
    "approval.granted",
    "approval.rejected",
    "approval.expired",
    "approval.withdrawn",
    "approval.superseded",
)


def alerts(known: Known, meant: Meant) -> list[Sentence]:
    """Which alerts fired?"""
    entries = known.entries("incident.opened", "incident.alerts_attached", "incident.source_recovered")
    told = lines_of([*entries[:1], *entries[1:][-2:]])
    firing = f"{known.alerts} alert{'s' if known.alerts != 1 else ''} in all, {known.firing} of them still firing"
    return [*told, Sentence(firing, known.now), *evidence_of(known.evidence("alert", about=meant.named))]


def affected(known: Known, meant: Meant) -> list[Sentence]:
    """What is affected?"""
    del meant
    entries = known.entries("incident.opened", "incident.alerts_attached")
    places = [*known.services, *known.hosts]
    sentences = [
        Sentence(
            f"The alerts name {listed(places) or 'no service and no host'}",
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


def done(known: Known, meant: Meant) -> list[Sentence]:
    """What was done so far, and where does it stand?"""
    del meant
    now = Sentence(f"The incident is {known.stage.value.replace('_', ' ')}", known.now)
    told = summarize(known.story, detected=known.detected)
    return [now, *(Sentence(one.text, one.cites) for one in told)]


def approval(known: Known, meant: Meant) -> list[Sentence]:
    """Who approved?"""
    del meant
    ruled = lines_of(known.entries(*_RULED), by=True)
    asked = known.last("approval.requested")
    if known.stage is Stage.AWAITING_APPROVAL and asked:
        ruled.append(Sentence(f"It waits for an answer: {asked.text}", (asked.id,)))
    if ruled:
        return ruled[-LISTED_MAX:]
    ran = "" if known.entries("execution.started") else ", and nothing ran"
    return [Sentence(f"Nobody was asked for an approval so far{ran}", known.now)]


def people(known: Known, meant: Meant) -> list[Sentence]:
    """Who is on it?"""
    found = lines_of(known.entries("incident.acknowledged", "incident.assigned"), by=True)
    found = found or [Sentence("Nobody has acknowledged it or was assigned", known.now)]
    return [*found, *evidence_of(known.evidence("oncall", about=meant.named))]


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


def next_steps(known: Known, meant: Meant) -> list[Sentence]:
    """What happens next, and what can be done?"""
    del meant
    sentences = [Sentence(_NEXT.get(known.stage, "Nothing goes on by itself: a person has to take over"), known.now)]
    sentences += lines_of(entry for entry in [known.last("approval.requested", "recommendation.made")] if entry)
    if known.stage is Stage.CLOSED or known.seen is None:
        return sentences
    sentences += [
        Sentence(f"Behind it, {item.title}: {item.behind}", (known.proposed_by,))
        for item in known.proposed[1:]
        if item.behind
    ]
    basis = concluded_by(known)
    sentences += [Sentence(text, basis) for text in _by_hand(known.seen.result.causes)]
    return sentences + [Sentence(f"To look at: {check}", basis) for check in known.seen.result.next_checks[:3]]


def _by_hand(causes: Sequence[RankedCause]) -> list[str]:
    """Say what a person may do about the causes, and what nobody must."""
    may = [
        f"A person may, and Signoff does not: {step.do} (risk {step.risk}, "
        f"{'reversible' if step.reversible else 'not reversible'}); it helped when {step.verify}"
        for cause in causes
        for step in cause.steps
    ]
    never = [
        f"Never {listed(rule.verbs)}, if the cause is {cause.title or cause.cause}: {rule.why}"
        for cause in causes
        for rule in cause.never
    ]
    return [*may[:BY_HAND_MAX], *never[:BY_HAND_MAX]]


def over(known: Known, meant: Meant) -> list[Sentence]:
    """Is it over?"""
    del meant
    ends = lines_of(
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


def duration(known: Known, meant: Meant) -> list[Sentence]:
    """How long did it take?"""
    del meant
    told = [Sentence(one.text, one.cites) for one in durations(known.story, detected=known.detected)]
    return told or [Sentence("Nothing but the opening has happened yet", known.now)]
