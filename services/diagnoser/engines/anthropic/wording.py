"""Sentences of the model, as far as they are made of what they cite.

A word counts when it stands in the measured evidence under the ids of the sentence, in the catalogue, among the names
of the system, or in a list of plain words. Text that anybody else wrote lends no words. A sentence with other words is
replaced by the evidence itself: it may be right, but nobody here can tell.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from services.diagnoser.engines.anthropic.claims import Claim, Source
from services.diagnoser.engines.offline.channels import CHANNELS
from shared.incident.evidence import Finding

PLAIN = Path(__file__).parent / "words.txt"
TOLD_MAX = 300
_WORD = re.compile(r"[^\W\d_]+")
_ODD = re.compile(r"[^\w\s.,;:%()/'+-]|://|\s-{1,2}\w|--")
"""Nothing in a plain sentence needs these, and an address or a command does."""


def finding(claim: Claim, source: Source) -> Finding | None:
    """Return a claim that passed the gate as a finding; None when nothing it cites may stand in its place."""
    told = " ".join(claim.statement.split())
    quotes = [text for name in claim.cites if (text := source.quoted(name)) is not None]
    if not quotes:
        return None
    if not is_plain(claim, source):
        told = "; ".join(dict.fromkeys(quotes))[:TOLD_MAX]
    return Finding(statement=told, cites=tuple(dict.fromkeys(claim.cites)))


def is_plain(claim: Claim, source: Source) -> bool:
    """Say whether a sentence is told as it is; otherwise the evidence is."""
    told = " ".join(claim.statement.split())
    if not told or _ODD.search(told):
        return False
    measured = [name for name in claim.cites if source.measured(name) is not None]
    lent = [text for name in measured for text in source.shown[name]]
    names = [entity for entity in source.entities() if " " not in entity]
    known = plain_words() | {*words_of(" ".join([*lent, *names]))} | _catalogue(source)
    return bool(measured) and set(words_of(told)) <= known


def _catalogue(source: Source) -> set[str]:
    titles = " ".join(f"{cause.id} {cause.title}" for cause in source.causes.values())
    return {*words_of(f"{titles} {' '.join(channel.name for channel in CHANNELS)}")}


@cache
def plain_words() -> frozenset[str]:
    """Return the words that anybody may use."""
    return frozenset(PLAIN.read_text(encoding="utf-8").split())


def words_of(text: str) -> list[str]:
    """Return the words of a text, in order and without capitals."""
    return [word.lower() for word in _WORD.findall(text)]
