"""What a sender was told, held against the topics and the stores: pure checks beside those of the offline checker."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import orjson

from tests.resilience.checker import Finding, Remains
from tests.resilience.sender import Sent
from tests.resilience.topics import Laid

ACTS = ("approval.requested", "execution.started", "step.started")
SHOWN = 5
"""Findings of one kind that are told one by one."""


def refused(history: Iterable[Sent]) -> Iterator[Finding]:
    """Each webhook was answered 2xx in time."""
    bad = [sent for sent in history if not 200 <= sent.status < 300]
    yield from _some(
        f"{sent.number} after {sent.answered_at - sent.at:.2f} s: {sent.status} {sent.said}" for sent in bad
    )


def undisposed(history: Iterable[Sent], remains: Remains) -> Iterator[Finding]:
    """Each receipt has exactly one disposition, and no live message has one without a receipt."""
    rows = remains.tables["diagnoser"]["disposition"]
    found = Counter(row["message_id"] for row in rows if row["source"] == "generic")
    receipts = Counter(sent.receipt for sent in history if sent.receipt)
    yield from _some(f"receipt {receipt} has {found[receipt]} dispositions" for receipt in receipts - found)
    yield from _some(f"receipt {receipt} was given twice" for receipt, count in receipts.items() if count > 1)
    yield from _some(f"message {message} has {count} dispositions" for message, count in (found - receipts).items())


def overtaken(history: Iterable[Sent], laid: Iterable[Laid]) -> Iterator[Finding]:
    """No alert overtakes one of its key that was answered before it was sent. Of what lies twice the first counts."""
    sent = {one.number: one for one in history}
    keys: dict[str, dict[int, None]] = defaultdict(dict)
    for record in laid:
        if record.envelope.environment == "live" and record.envelope.type == "delivery.received":
            number = int(orjson.loads(record.body)["alert"]["labels"]["number"])
            keys[record.key].setdefault(number)
    yield from _some(
        f"{earlier} was answered before {later} was sent and lies behind it"
        for numbers in keys.values()
        for place, later in enumerate(numbers)
        for earlier in list(numbers)[place + 1 :]
        if sent[earlier].answered_at < sent[later].at
    )


def disordered(events: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """The events of each incident, (incident, id), come as they were numbered by whoever emitted them."""
    newest: dict[tuple[str, str], int] = {}
    seen: set[str] = set()
    for incident, event in events:
        if event in seen:
            continue
        seen.add(event)
        emitter, _, number = event.rpartition(":")
        if not number.isdigit():
            continue
        if int(number) < newest.get((incident, emitter), -1):
            yield Finding(f"{event} comes after {emitter}:{newest[incident, emitter]}", incident)
        newest[incident, emitter] = max(int(number), newest.get((incident, emitter), -1))


def acts(remains: Remains) -> Counter[str]:
    """Return how often people were asked and something was begun, for each incident that is closed."""
    return Counter(
        {
            incident: sum(type_ in ACTS for type_, _ in events)
            for incident, events in remains.journal.items()
            if any(type_ == "incident.closed" for type_, _ in events)
        }
    )


def acted_again(before: Counter[str], remains: Remains) -> Iterator[Finding]:
    """Nothing more was asked or begun for an incident that had been closed before."""
    after = acts(remains)
    for incident, count in before.items():
        if after[incident] != count:
            yield Finding(f"it was closed after {count} acts, and now there are {after[incident]}", incident)


def journal(remains: Remains) -> Sequence[tuple[str, str]]:
    """Return (incident, id) of what the notifier took, in its order."""
    return [(row["incident_id"], row["id"]) for row in remains.tables["notifier"]["journal"]]


def _some(told: Iterable[str]) -> Iterator[Finding]:
    found = list(told)
    yield from map(Finding, found[:SHOWN])
    if len(found) > SHOWN:
        yield Finding(f"... and {len(found) - SHOWN} more such findings")
