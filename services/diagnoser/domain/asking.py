"""What a question asks: one of a few kinds, about what it names. Pure; a person's words are matched, never obeyed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of question: the words that ask it, and how to say it."""

    pattern: re.Pattern[str]
    example: str


def _kind(pattern: str, example: str) -> Kind:
    return Kind(re.compile(rf"\b(?:{pattern})\b"), example)


KINDS: Mapping[str, Kind] = {
    "confidence": _kind(
        r"how (?:sure|certain|confident|safe)|confiden\w+|so sure|certainty", "How sure is it and why?"
    ),
    "history": _kind(
        r"(?:happen\w*|seen?|had|occur\w*) .*before|before now|last time|similar|look-?alikes?|history|past incidents?",
        "Has this happened before?",
    ),
    "articles": _kind(
        r"written|articles?|handbooks?|wiki\w*|docs?|documentation|documented|post-?mortems?|knowledge( base)?",
        "Is anything written about it?",
    ),
    "duration": _kind(
        r"how long|how (?:quick|fast|soon)\w*|duration|time to (?:detect|diagnose|approve|fix)|take so long",
        "How long did it take?",
    ),
    "over": _kind(
        r"over|resolved|solved|fixed|recovered|still (?:\w+ )?(?:firing|broken|happening|down|open|bad|slow|going)",
        "Is it over?",
    ),
    "approval": _kind(
        r"who (?:\w+ )?(?:approved|rejected|decided|signed)|approv\w+|sign(?:ed)?[ -]?off|rejected", "Who approved?"
    ),
    "people": _kind(r"who (?:is|works|has|took)|on[ -]?call|responsible|assigned|owns?", "Who is on it?"),
    "next": _kind(
        r"(?:happens|comes|come|is) next|next steps?|what now"
        r"|what (?:should|can|may|must|could) (?:not |never )?(?:i|we|be|a person)"
        r"|recommend\w*|runbooks?|propos\w+|by hand|manual\w*",
        "What happens next?",
    ),
    "missing": _kind(
        r"missing|not checked|unchecked|(?:not|don'?t|do not) (?:we )?know|unknown|gaps?|blind", "What was not checked?"
    ),
    "excluded": _kind(r"ruled out|excluded|why not|what else could|other causes?|alternatives?", "What was ruled out?"),
    "change": _kind(
        r"chang\w+|deploy\w*|releas\w+|rolled out|rollouts?|config\w*|versions?|flags?|migrat\w+", "What changed?"
    ),
    "logs": _kind(r"logs?|log lines?|errors?|exceptions?|stack ?traces?|messages?", "Which log lines stand out?"),
    "alerts": _kind(r"alerts?|alarms?|paged|monitors?|firing|triggered", "Which alerts fired?"),
    "affected": _kind(
        r"affect\w*|impact\w*|blast|suffer\w*|victims?|(?:which|what) (?:services|hosts|systems)", "What is affected?"
    ),
    "done": _kind(
        r"(?:was|were|been|did|is being) .*done|so far|executed|what ran|status|going on|what happened|happening"
        r"|summar\w+|how is it",
        "What was done so far?",
    ),
    "cause": _kind(r"why|causes?|caused|root|reasons?|wrong|broke|broken|culprit|blame|explain", "What is the cause?"),
    "evidence": _kind(
        r"evidence|metrics?|measure\w*|graphs?|charts?|about|show|how (?:is|does|are)|prove?",
        "What is known about NAME?",
    ),
}
"""From the most to the least particular: the first whose words are in a question is what it asks."""

EXAMPLES = tuple(kind.example for kind in KINDS.values())
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_./:][a-z0-9]+)+|[a-z]+[0-9]+[a-z0-9]*")
"""How names of systems look: parts that are joined, or letters with a number."""
_EDGES = re.compile(r"^[\s\"'`(]+|[\s\"'`).,;:!?]+$")


@dataclass(frozen=True, slots=True)
class Meant:
    """What a question was understood as: no `kind` when it was not. `strange` are names that nothing known has."""

    kind: str
    named: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()


def understand(text: str, names: Collection[str]) -> Meant:
    """Return what a question asks. `names` are the places and channels that the evidence knows, as it writes them."""
    words = " ".join(_EDGES.sub("", word) for word in text.lower().split())
    named = tuple(name for name in sorted(names, key=lambda name: (-len(name), name)) if _holds(words, name.lower()))
    # What is part of a longer name that was meant is not meant itself: `orders` in `orders-db`.
    named = tuple(name for name in named if not any(name != other and name.lower() in other.lower() for other in named))
    known = {part for name in names for part in (name.lower(), *re.split(r"[.\s]", name.lower()))}
    strange = tuple(dict.fromkeys(word for word in _NAME.findall(words) if word not in known and word not in _PLAIN))
    rest = words
    for name in named:
        rest = rest.replace(name.lower(), " ")
    kind = next((name for name, kind in KINDS.items() if kind.pattern.search(rest)), "")
    return Meant(kind or ("evidence" if named or strange else ""), named, strange)


_PLAIN = frozenset(
    {
        "look-alike",
        "look-alikes",
        "post-mortem",
        "post-mortems",
        "on-call",
        "sign-off",
        "signed-off",
        "root-cause",
        "and/or",
        "p95",
        "p99",
        "p50",
    }
)


def _holds(words: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words) is not None
