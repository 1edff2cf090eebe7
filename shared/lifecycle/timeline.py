"""The timeline of an incident: a fold over its events. An entry's id is its event's id, so everybody cites the same.

Each event type either has a sentence in `SENTENCES` or stands in `UNTOLD` with a reason; a test checks that. A step's
one entry is the event that ends it; a doubt and its settling are entries of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.incident.actor import Actor, automation
from shared.incident.incident import TimelineEntry
from shared.incident.numbers import percent

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One event of an incident as the journal keeps it."""

    id: str
    type: str
    time: str
    source: str
    body: Body
    causation: str = ""


def _because(body: Body, key: str = "reason") -> str:
    return f": {body[key]}" if body.get(key) else ""


def _words(code: str) -> str:
    """Return a code of an event as people read it."""
    return code.replace("_", " ")


def _step(word: str) -> Callable[[Body], str]:
    def sentence(body: Body) -> str:
        undo = "Rollback step" if body.get("rollback") else "Step"
        detail = "" if body.get("detail") == word else _because(body, "detail")
        return f"{undo} {body.get('name') or body['step_id']} {word}{detail}"

    return sentence


def _names(actors: Iterable[Mapping[str, Any]]) -> str:
    return " and ".join(actor.get("name") or actor["id"] for actor in actors)


def _diagnosis(body: Body) -> str:
    result = body["result"]
    return f"Diagnosis: {result['statement']} (confidence {percent(result['confidence'])}){_changed(body)}"


def _changed(body: Body) -> str:
    return f"; changed: {', '.join(body['changed'])}" if body.get("changed") else ""


def _inconclusive(body: Body) -> str:
    missing = ", ".join(body["result"].get("missing", ()))
    return f"No cause stands out{f'; missing: {missing}' if missing else ''}{_changed(body)}"


def _recommendation(body: Body) -> str:
    items = body["recommendations"]["items"]
    return f"Proposed runbook: {items[0]['title']}" if items else "No runbook answers this diagnosis"


def _counted(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _evidence(body: Body) -> str:
    gaps = [outcome["collector"] for outcome in body.get("collectors", ()) if outcome["outcome"] not in ("ok", "empty")]
    text = f"{len(body.get('evidence', ()))} pieces of evidence gathered"
    return f"{text}; no answer from {', '.join(gaps)}" if gaps else text


def _verification(word: str) -> Callable[[Body], str]:
    def sentence(body: Body) -> str:
        result = body["result"]
        seen = f" (last read {result['observed'][-1]})" if result.get("observed") else ""
        return f"Verification {word}: {result.get('check') or result['condition']}{seen}"

    return sentence


def _refusal(body: Body) -> str:
    what = f"Decision to {body['verb']}" if body["verb"] else "A record that claims to be a decision was"
    return f"{what} refused: {_words(body['why'])}{_because(body, 'detail')}"


def _disbelieved(body: Body) -> str:
    return f"A record that says {body['says']} was not believed{_because(body, 'why')}"


SENTENCES: Mapping[str, Callable[[Body], str]] = {
    "incident.opened": lambda b: f"Incident opened: {b['title']}",
    "incident.classified": lambda b: f"Classified as {_words(b['category'])}",
    "incident.alerts_attached": lambda b: f"{_counted(b['alerts'], 'alert')} joined, {b['total']} in all{_because(b)}",
    "incident.severity_raised": lambda b: f"Severity raised from {b['previous']} to {b['severity']}{_because(b)}",
    "incident.source_recovered": lambda _: "All alerts have recovered",
    "incident.related": lambda b: f"Related to {b['related_id']}{_because(b)}",
    "incident.acknowledged": lambda _: "Acknowledged",
    "incident.assigned": lambda b: f"Assigned to {b['assignee']}",
    "incident.noted": lambda b: f"{'' if b.get('verdict') else 'Note: '}{b['text']}",
    "incident.reopened": lambda b: f"Reopened{_because(b)}",
    "incident.closed": lambda _: "Incident closed",
    "incident.request_refused": lambda b: f"Request to {b['verb']} refused{_because(b, 'why')}",
    "incident.service_silent": lambda b: f"No answer from {b['service']} ({b['waiting_for']})",
    "investigation.started": lambda b: f"Investigation started{_because(b)}",
    "evidence.gathered": _evidence,
    "diagnosis.concluded": _diagnosis,
    "diagnosis.inconclusive": _inconclusive,
    "diagnosis.no_active_fault": lambda b: f"Nothing is wrong now, as far as the evidence goes{_changed(b)}",
    "recommendation.made": _recommendation,
    "recommendation.superseded": lambda b: f"Recommendation superseded{_because(b)}",
    "question.answered": lambda b: f"Answer: {b['text']}",
    "summary.written": lambda _: "Summary written",
    "plan.refused": lambda b: f"No plan: {_words(b['why'])}{_because(b, 'detail')}",
    "approval.requested": lambda b: f"Approval requested: {b['title']}",
    "approval.reminded": lambda _: "Reminded that an approval is pending",
    "approval.escalated": lambda b: f"Approval escalated to {', '.join(b['to']) or 'the next level'}",
    "approval.vote_recorded": lambda b: f"Approved, {b['have']} of {b['needed']}",
    "approval.decision_refused": _refusal,
    "approval.granted": lambda b: f"Approved by {_names(b['actors'])}{_because(b)}",
    "approval.rejected": lambda b: f"Rejected{_because(b)}",
    "approval.expired": lambda _: "Approval expired; nothing ran",
    "approval.withdrawn": lambda b: f"Approval withdrawn{_because(b)}",
    "approval.superseded": lambda b: f"Approval superseded{_because(b)}",
    "execution.started": lambda b: f"Execution started, {_counted(b['steps'], 'step')}",
    "execution.paused": lambda b: f"Execution paused{_because(b)}",
    "execution.resumed": lambda b: f"Execution resumed{_because(b)}",
    "execution.finished": lambda b: f"Execution finished: {_words(b['outcome'])}{_because(b, 'detail')}",
    "execution.cancelled": lambda b: f"Execution cancelled{_because(b)}",
    "step.succeeded": _step("done"),
    "step.failed": _step("failed, nothing was changed"),
    "step.unknown": _step("is in doubt"),
    "step.reconciled": lambda b: _step(f"settled: {_words(b['outcome'])}")(b),
    "step.skipped": lambda b: _step("skipped")(b) + _because(b),
    "verification.passed": _verification("passed"),
    "verification.failed": _verification("failed"),
    "verification.unknown": _verification("has no data"),
    "rollback.started": lambda b: f"Rollback started{_because(b)}",
    "rollback.finished": lambda b: f"Rollback finished: {_words(b['outcome'])}{_because(b, 'detail')}",
    "handoff.requested": lambda b: f"A person must take over: {_words(b['why'])}{_because(b, 'detail')}",
}

DISBELIEVED = "record.disbelieved"
"""What the notifier keeps instead of a record that it does not believe; it is on no topic."""

ELSEWHERE: Mapping[str, Callable[[Body], str]] = {
    DISBELIEVED: _disbelieved,
    "question.asked": lambda b: f"Question: {b['text']}",
}
"""Sentences for what stands in the notifier's journal and is not on `incidents.v1`."""

UNTOLD: Mapping[str, str] = {
    "step.started": "the event that ends the step is its entry",
}


def _actor(event: Told) -> Actor:
    try:
        named = event.body.get("actor") or next(iter(event.body.get("actors") or ()), None)
        return Actor.model_validate(named) if named else automation(event.source.rpartition("/")[2])
    except (TypeError, ValueError):
        return automation(event.source.rpartition("/")[2])


def entry(event: Told) -> TimelineEntry | None:
    """Return the entry of one event, None when it has none. Total: a body from a newer version still gets a line."""
    sentence = SENTENCES.get(event.type) or ELSEWHERE.get(event.type)
    if sentence is None:
        return None
    try:
        text = sentence(event.body)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        text = event.type
    return TimelineEntry.model_validate(
        {
            "id": event.id,
            "type": event.type,
            "at": event.time,
            "actor": _actor(event),
            "text": text,
            "caused_by": event.causation or None,
        }
    )


def timeline(events: Iterable[Told]) -> list[TimelineEntry]:
    """Return the entries of an incident's events, each id once, in the order given."""
    entries: dict[str, TimelineEntry] = {}
    for event in events:
        line = entry(event)
        if line is not None:
            entries.setdefault(line.id, line)
    return list(entries.values())
