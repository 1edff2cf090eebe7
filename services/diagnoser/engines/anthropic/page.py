"""The facts of a step as a page to be cited: evidence by its ids, entries of the timeline by what happened.

An entry whose words are all by code lends them to a sentence. One that repeats what people or sources wrote lends none;
it can be quoted whole, as the timeline shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from services.diagnoser.domain.advice import Facts
from services.diagnoser.engines.anthropic.denying import channel_words, is_calm
from services.diagnoser.engines.anthropic.ground import USER_TEXT
from services.diagnoser.engines.anthropic.pack import Item, fields, packed, plain, quoted
from services.diagnoser.engines.anthropic.veil import Veil
from services.diagnoser.engines.anthropic.wording import words_of
from services.diagnoser.engines.offline.catalogue import Catalogue, by_id
from shared.incident.evidence import Evidence
from shared.incident.incident import TimelineEntry

SYSTEM = "system"
QUESTION_MAX, SAID_MAX = 600, 160
BY_CODE = frozenset(
    {
        "evidence.gathered",
        "diagnosis.no_active_fault",
        "recommendation.made",
        "approval.requested",
        "approval.vote_recorded",
        "approval.expired",
        "execution.started",
        "verification.passed",
        "verification.failed",
        "verification.unknown",
        "incident.source_recovered",
        "incident.acknowledged",
        "incident.closed",
    }
)
"""Types of entries in which nothing is repeated that a person or a source wrote."""


class Page:
    """Facts, and what of them was shown."""

    def __init__(self, facts: Facts, catalogue: Catalogue) -> None:
        self.facts = facts
        self.causes = by_id(catalogue.causes)
        self.shown: dict[str, list[str]] = {}
        self.ids: dict[str, str] = dict(zip(_names(facts.entries), (entry.id for entry in facts.entries), strict=True))
        """What an entry is called towards the model, and its id."""
        self._entries: Mapping[str, TimelineEntry] = dict(zip(self.ids, facts.entries, strict=True))
        self._evidence: Mapping[str, Evidence] = {item.id: item for item in facts.evidence}

    def entities(self) -> list[str]:
        """Return the names of the places that the facts are about."""
        return sorted({*self.facts.names, *(item.entity for item in self.facts.evidence)} - {""})

    def item(self, name: str) -> Evidence | None:
        """Return a piece of evidence that was shown."""
        return self._evidence.get(name) if name in self.shown else None

    def measured(self, name: str) -> str | None:
        """Return what was shown under an id, when it is by code."""
        entry = self._entries.get(name)
        if name not in self.shown or (entry is not None and entry.type not in BY_CODE):
            return None
        item = self._evidence.get(name)
        return None if item is not None and item.trust == USER_TEXT else self.quoted(name)

    def calm(self, name: str) -> str | None:
        """Return a measurement that is in order; None for anything else."""
        item = self.item(name)
        return f"{item.entity} {item.channel} {item.summary}" if item is not None and is_calm(item) else None

    def guarded(self) -> set[str]:
        """Return the words for what might be the matter."""
        seen = [f"{item.query} {item.channel}" for item in self.facts.evidence if item.active_now]
        return channel_words() | {*words_of(" ".join(seen))}

    def quoted(self, name: str) -> str | None:
        """Return an entry as the timeline shows it, or a piece of evidence that others did not write."""
        item = self.item(name)
        if item is not None:
            return item.summary if item.trust != USER_TEXT else None
        return self._entries[name].text if name in self.shown and name in self._entries else None

    def pack(self, veil: Veil) -> str:
        """Return the pack: entries and evidence by turns, so that what is cut off is the end of both."""
        self.shown.clear()
        return packed(_by_turns([*self._told()], [*self._seen()]), self._around(), veil, self)

    def _told(self) -> Iterator[Item]:
        for name, entry in self._entries.items():
            trust = SYSTEM if entry.type in BY_CODE else USER_TEXT
            at = f"{entry.at:%H:%M:%S}"
            line = fields(name, entry.actor.kind, trust, f"at {at}", entry.text)
            yield Item(name, line, f"{at} {entry.text}")

    def _seen(self) -> Iterator[Item]:
        for item in self.facts.evidence:
            now = "now" if item.active_now else "not now"
            line = fields(item.id, item.kind, item.entity, item.channel, item.trust, now, item.summary)
            yield Item(item.id, line, item.summary)

    def _around(self) -> Iterator[str]:
        facts = self.facts
        if facts.question:
            yield f"question (user_text): {quoted(facts.question[:QUESTION_MAX])}"
        for option in facts.options:
            yield f"option: {option.kind} {plain(option.id)}{f' | {quoted(option.text)}' if option.text else ''}"
        yield from (f"code says: {quoted(text[:SAID_MAX])}" for text in facts.sentences)


def _by_turns(one: list[Item], other: list[Item]) -> Iterable[Item]:
    for number in range(max(len(one), len(other))):
        yield from (*one[number : number + 1], *other[number : number + 1])


def _names(entries: Iterable[TimelineEntry]) -> list[str]:
    """Return the type of each entry, from the second one of a type on with a number."""
    counts: Counter[str] = Counter()
    names = []
    for entry in entries:
        counts[entry.type] += 1
        names.append(entry.type if counts[entry.type] == 1 else f"{entry.type}-{counts[entry.type]}")
    return names
