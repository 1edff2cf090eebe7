"""What a sentence denies, and what it has to cite for that.

To deny is as easy as to find, and no number gives it away. So a sentence says that something is not so only with
evidence that this very thing is in order, that something is not known only with the gap, and that something went up or
down only with a measurement that did. A denial that code cannot hold against evidence does not count, however true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from services.diagnoser.engines.anthropic.claims import Claim, Source
from services.diagnoser.engines.anthropic.wording import is_plain, plain_words, words_of
from services.diagnoser.engines.offline.channels import CHANNELS
from shared.incident.evidence import Evidence

_OF_ALL = frozenset({"nothing", "none", "nobody", "nowhere", "neither", "nor"})
_NEGATIONS = _OF_ALL | {"no", "not", "never", "cannot", "without", "hardly"}
_CALM_WORDS = (
    "normal normally steady stable calm healthy fine idle unaffected unchanged spared recovered gone stop stops "
    "stopped within"
)
_UP_WORDS = "rise rises rose risen rising grow grows grew grown growing increase increases increased higher highest"
_DOWN_WORDS = "fall falls fell fallen drop drops dropped dropping decrease decreased lower lowest down"
_CALM, _UP, _DOWN = (frozenset(words.split()) for words in (_CALM_WORDS, _UP_WORDS, _DOWN_WORDS))
_TROUBLE = _UP | {"slow", "slower", "worse", "full", "saturated"}
_KNOWN = frozenset({"known", "measured"})
_ARTICLES = frozenset({"a", "an", "the", "its", "any"})
_REACH = 3
"""Words after a negation among which is what it negates."""
_FLAT = 3.0
"""Widths of the background within which a measurement is calm."""
_SHORT = re.compile(r"(?i)(?:\bca(?=n['\u2019]t\b))?n['\u2019]t\b")

UNTOLD = "code cannot tell whether something is not so; say what was seen instead"
UNFOUNDED = "what is said not to be so, or to be in order, needs evidence of that very thing that is calm now"


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of a sentence, names of places left out, and what it needs to be cited."""

    words: tuple[str, ...]
    calm: bool = False
    trouble: bool = False
    gap: bool = False
    ways: frozenset[str] = frozenset()
    untold: bool = False


def misstated(claim: Claim, source: Source, *, denies: bool = False) -> Iterator[str]:
    """Yield what is wrong with what a sentence denies, if it is told as it is.

    `denies`: all of it is told as what is not so.
    """
    if not denies and not is_plain(claim, source):
        return
    said = _read(_tokens(claim.statement, source), [*_phrases(claim.cites, source)])
    cited = [item for name in claim.cites if (item := source.item(name)) is not None]
    if said.untold:
        yield UNTOLD
    if (said.calm or denies) and not _is_founded(claim, said, source):
        yield UNFOUNDED
    if said.gap and not _fits(claim, said, source, [one for one in cited if one.kind == "gap"]):
        yield "what is said not to be known needs the evidence that it was not measured"
    if said.trouble and not any(one.active_now and way_of(one) in ("up", "") for one in cited):
        yield "what is said not to be in order needs evidence that is out of order now"
    ways = {way_of(item) for item in cited} - {""}
    if not denies and ways and not said.ways <= ways:
        yield f"nothing that is cited went {' or '.join(sorted(said.ways - ways))}"


def is_calm(item: Evidence) -> bool:
    """Say whether it was measured and is within its background now."""
    return item.kind == "metric" and not item.active_now and abs(item.magnitude) < _FLAT


def way_of(item: Evidence) -> str:
    """Return whether a measurement went `up` or `down` or is `flat`; empty when nobody knows."""
    if item.kind != "metric" or item.before is None or item.after is None:
        return ""
    return "flat" if is_calm(item) else "up" if item.after > item.before else "down"


@cache
def channel_words() -> set[str]:
    """Return the words for kinds of measurements."""
    return {*words_of(" ".join(f"{one.name} {' '.join(one.words)}" for one in CHANNELS))}


def _read(words: list[str], phrases: list[list[str]]) -> _Said:
    """Return what a sentence says in words that deny, except where it repeats a phrase of what it cites."""
    found: dict[str, bool] = {}
    ways: set[str] = set()
    used: set[int] = set()
    for number, word in enumerate(words):
        if number in used:
            continue
        if word in _NEGATIONS:
            used |= _negated(words, number, phrases, found, ways)
        elif word in _CALM:
            found["calm"] = True
        elif word in _UP | _DOWN and not _is_repeated(words, number, phrases):
            ways.add("up" if word in _UP else "down")
    return _Said(tuple(words), **found, ways=frozenset(ways))


def _negated(
    words: list[str], number: int, phrases: list[list[str]], found: dict[str, bool], ways: set[str]
) -> set[int]:
    """Enter what a negation says; return the places of words that are done with."""
    near = range(number + 1, min(number + 1 + _REACH, len(words)))
    target = next((n for n in near if words[n] in _TROUBLE | _DOWN | _CALM | _KNOWN), None)
    word = words[target] if target is not None else ""
    if word in _KNOWN and words[number] not in _OF_ALL:
        found["gap"] = True
    elif _is_repeated(words, number, phrases):
        return set()
    elif not word or words[number] in _OF_ALL:
        found["untold"] = True
    elif word in _TROUBLE:
        found["calm"] = True
    elif word in _DOWN:
        ways.add("up")
    else:
        found["trouble"] = True
    return {target} if target is not None else set()


def _is_repeated(words: list[str], number: int, phrases: Iterable[list[str]]) -> bool:
    """Whether a word stands with the next one that counts in what is cited, or in the catalogue."""
    end = number + 1
    while end < len(words) and words[end] in _ARTICLES:
        end += 1
    phrase = words[number : end + 1]
    return any(phrase == one[n : n + len(phrase)] for one in phrases for n in range(len(one)))


def _phrases(cites: Iterable[str], source: Source) -> Iterator[list[str]]:
    for name in cites:
        item = source.item(name)
        if item is not None and item.kind == "log" and item.before == 0.0:
            yield ["never", "before"]
        if source.measured(name) is not None:
            yield from (_tokens(text, source) for text in source.shown.get(name, ()))
    yield from ([*words_of(cause.title.replace("{entity}", " "))] for cause in source.causes.values())


def _is_founded(claim: Claim, said: _Said, source: Source) -> bool:
    """Whether something that is cited is in order, and the sentence is about nothing else.

    A line of the story that says itself that something is over may be repeated.
    """
    calm = [text for name in claim.cites if (text := source.calm(name)) is not None]
    calm_words = set(said.words) & _CALM
    for name in claim.cites:
        text = source.measured(name) if source.item(name) is None else None
        if text is not None and calm_words & set(words_of(text)):
            calm.append(text)
    return bool(calm) and _is_about(claim, said, source, calm)


def _fits(claim: Claim, said: _Said, source: Source, items: list[Evidence]) -> bool:
    return bool(items) and _is_about(claim, said, source, [f"{one.entity} {one.summary}" for one in items])


def _is_about(claim: Claim, said: _Said, source: Source, texts: Iterable[str]) -> bool:
    """Whether a sentence names no place and no measurement but those that some texts are about."""
    about = " ".join(texts)
    strange = (source.guarded() & {*said.words}) - {*words_of(about)} - plain_words()
    return not strange and all(name in about for name in _named(claim.statement, source))


def _tokens(text: str, source: Source) -> list[str]:
    for name in _named(text, source):
        text = text.replace(name, " ")
    return [*words_of(_SHORT.sub(" not", text))]


def _named(text: str, source: Source) -> list[str]:
    """Return the places that a text names, longer names first."""
    found = []
    for name in sorted(source.entities(), key=len, reverse=True):
        if name in text:
            found.append(name)
            text = text.replace(name, " ")
    return found
