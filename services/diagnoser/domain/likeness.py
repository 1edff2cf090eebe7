"""How alike two incidents are: by what they showed, not by whose they were. Pure.

The signs of an incident are the identities of its alerts, the kinds of what they are about, which channels moved which
way, which kinds of change came before, and the shapes of log lines that surged. Two incidents are as alike as their
weighted Jaccard index: the weight of the signs that both have over the weight of the signs that either has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import Asked, CaseJSON
from shared.incident.diagnosis import RankedCause
from shared.incident.evidence import SUMMARY_MAX, Evidence, Finding, LogTemplate, LookAlike
from shared.incident.numbers import percent

WEIGHTS: Mapping[str, float] = {"alert": 3.0, "log": 2.0, "channel": 2.0, "change": 1.0, "kind": 1.0}
"""What a sign of a class counts: what was alerted on most, what every incident of a service has least."""
LIKE_LEAST = 0.4
LOOK_ALIKES_MAX = 3
LOGS_MAX = 10
SIGN_MAX = 120
DIFFERENCES_MAX = 5
SURGE = 2
"""A shape of log line has surged when it came so many times as often as before."""
_NUMBER = re.compile(r"\d+")

Signs = tuple[str, ...]
"""`class: words` of each sign, sorted."""


@dataclass(frozen=True, slots=True)
class Past:
    """A closed incident as it is remembered. `cause` is what a person said it was, else what was diagnosed."""

    incident_id: str
    title: str
    cause: str
    verdict: str
    closed_at: datetime
    signs: Signs


def signs_of(asked: Asked, case: CaseJSON, conclusion: Conclusion) -> Signs:
    """Return the signs of an incident, from its alerts and from what the newest investigation saw."""
    places = {*asked.services, *asked.hosts}
    kinds = {entity["id"]: entity["kind"] for entity in case.get("topology", {}).get("entities", ())}
    kinds |= dict.fromkeys(asked.hosts, "host")
    found = {_sign("alert", alert.get("metric") or _masked(alert.get("title", ""), places)) for alert in asked.alerts}
    found |= {_sign("kind", kinds.get(place, "service")) for place in places}
    for item in conclusion.evidence:
        if item.kind in ("metric", "state") and item.active_now:
            found.add(_sign("channel", f"{item.channel} {item.direction}"))
        elif item.kind == "change":
            found.add(_sign("change", item.channel or "change"))
    found |= {_sign("log", log.template) for log in _surged(conclusion.logs)}
    return tuple(sorted(sign for sign in found if sign))


def _sign(kind: str, words: str) -> str:
    text = " ".join(words.split())
    return f"{kind}: {text}"[:SIGN_MAX] if text else ""


def _masked(title: str, places: Collection[str]) -> str:
    for place in sorted(places, key=len, reverse=True):
        title = title.replace(place, "<place>")
    return _NUMBER.sub("<n>", title).lower()


def _surged(logs: Iterable[LogTemplate]) -> list[LogTemplate]:
    found = [log for log in logs if log.count > SURGE * log.baseline_count and log.level not in ("info", "debug")]
    return sorted(found, key=lambda log: (log.baseline_count - log.count, log.template))[:LOGS_MAX]


def likeness(one: Collection[str], other: Collection[str]) -> float:
    """Return the weighted Jaccard index of two sets of signs, from 0 to 1; 0 when neither has any."""
    both, either = set(one) & set(other), set(one) | set(other)
    return round(_weight(both) / _weight(either), 3) if either else 0.0


def _weight(signs: Iterable[str]) -> float:
    return sum(WEIGHTS.get(sign.partition(":")[0], 1.0) for sign in signs)


def look_alikes(signs: Signs, past: Iterable[Past]) -> tuple[LookAlike, ...]:
    """Return the past incidents that were most alike, each with what differs; the newest first among equals."""
    judged = [(likeness(signs, one.signs), one) for one in past]
    found = [(like, one) for like, one in judged if like >= LIKE_LEAST]
    found.sort(key=lambda pair: (-pair[0], -pair[1].closed_at.timestamp(), pair[1].incident_id))
    return tuple(_look_alike(signs, like, one) for like, one in found[:LOOK_ALIKES_MAX])


def _look_alike(signs: Signs, like: float, past: Past) -> LookAlike:
    return LookAlike.model_validate(
        {
            "id": f"history-{past.incident_id}",
            "incident_id": past.incident_id,
            "title": past.title,
            "cause": past.cause,
            "verdict": past.verdict,
            "closed_at": past.closed_at,
            "likeness": like,
            "alike": _heaviest(set(signs) & set(past.signs)),
            "only_now": _heaviest(set(signs) - set(past.signs)),
            "only_then": _heaviest(set(past.signs) - set(signs)),
        }
    )


def _heaviest(signs: Collection[str]) -> Sequence[str]:
    return sorted(signs, key=lambda sign: (-_weight([sign]), sign))[:DIFFERENCES_MAX]


def with_history(conclusion: Conclusion, found: Sequence[LookAlike]) -> Conclusion:
    """Return a conclusion that holds the look-alikes as evidence.

    A cause that one of them had is supported by it, beside what it rests on already: a look-alike never carries a cause
    alone, and one whose diagnosis a person called wrong without naming another supports nothing.
    """
    result = conclusion.result
    if not found:
        return conclusion
    supported = tuple(_supported(cause, found) for cause in result.causes)
    told = tuple(Finding(statement=told_of(one), cites=(one.id,)) for one in found)
    evidence = tuple(_evidence(one) for one in found)
    changed = {"causes": supported, "findings": (*result.findings, *told)}
    update = {"result": result.model_copy(update=changed), "evidence": (*conclusion.evidence, *evidence)}
    return conclusion.model_copy(update=update)


def _supported(cause: RankedCause, found: Iterable[LookAlike]) -> RankedCause:
    cites = [one.id for one in found if one.cause == cause.cause]
    return cause.model_copy(update={"cites": (*cause.cites, *cites)})


def _evidence(one: LookAlike) -> Evidence:
    return Evidence(
        id=one.id,
        kind="history",
        channel="history",
        # It repeats words of alerts and logs, and what rests on such words alone is no cause.
        trust="user_text",
        active_now=False,
        end=one.closed_at,
        magnitude=one.likeness,
        summary=told_of(one)[:SUMMARY_MAX],
    )


def told_of(one: LookAlike) -> str:
    """Return one sentence about a look-alike."""
    judged = {"right": ", confirmed by a person", "wrong": ", by a person's word"}.get(one.verdict, "")
    was = f"it was {one.cause}{judged}" if one.cause else "its cause is not known"
    differs = ", ".join([*(f"now {sign}" for sign in one.only_now), *(f"then {sign}" for sign in one.only_then)][:2])
    return f"{one.incident_id} was {percent(one.likeness)} alike; {was}; differs: {differs or 'in nothing'}"
