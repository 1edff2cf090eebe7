"""Sentences of the model, as far as they are made of what they cite.

A word counts when it stands in the measured evidence under the ids of the sentence, in the catalogue, among the names
of the system, or in a list of plain words. Text that anybody else wrote lends no words. A sentence with other words is
replaced by the evidence itself: it may be right, but nobody here can tell.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from services.diagnoser.engines.anthropic.answer import Claim
from services.diagnoser.engines.anthropic.ground import USER_TEXT, Ground
from services.diagnoser.engines.offline.channels import CHANNELS
from shared.incident.evidence import Finding

PLAIN = Path(__file__).parent / "words.txt"
TOLD_MAX = 300
_WORD = re.compile(r"[^\W\d_]+")
_ODD = re.compile(r"[^\w\s.,;:%()/'+-]|://|\s-{1,2}\w|--")
"""Nothing in a plain sentence needs these, and an address or a command does."""


def finding(claim: Claim, ground: Ground) -> Finding | None:
    """Return a claim that passed the gate as a finding; None when it rests on the words of others alone."""
    told = " ".join(claim.statement.split())
    measured = [item.summary for item in ground.items(claim.cites) if item.trust != USER_TEXT]
    if not measured:
        return None
    if not _is_plain(told, claim, ground):
        told = "; ".join(dict.fromkeys(measured))[:TOLD_MAX]
    return Finding(statement=told, cites=tuple(dict.fromkeys(claim.cites)))


def _is_plain(told: str, claim: Claim, ground: Ground) -> bool:
    if not told or _ODD.search(told):
        return False
    lent = [t for item in ground.items(claim.cites) if item.trust != USER_TEXT for t in ground.shown[item.id]]
    names = [entity for entity in ground.entities() if " " not in entity]
    known = _plain() | _words(" ".join([*lent, *names])) | _catalogue(ground)
    return _words(told) <= known


def _catalogue(ground: Ground) -> set[str]:
    titles = " ".join(f"{cause.id} {cause.title}" for cause in ground.causes.values())
    return _words(f"{titles} {' '.join(channel.name for channel in CHANNELS)}")


@cache
def _plain() -> frozenset[str]:
    return frozenset(PLAIN.read_text(encoding="utf-8").split())


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
