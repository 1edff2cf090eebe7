"""The small steps in which a model may add to what code says: what it is told, what it says. Pure; of the child too.

A step has facts and may have options, of which the first of each kind is what code chose. Its answer counts only after
a gate in code: sentences rest on what they cite, and a choice is one that code allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from services.diagnoser.domain.model_use import Use
from services.diagnoser.domain.opinion import PASSED, WHY_MAX
from services.diagnoser.domain.transcript import Transcript, cleaned
from shared.events.investigations import SummarySentence
from shared.incident.evidence import Evidence
from shared.incident.incident import TimelineEntry
from shared.incident.model import Model

StepName = Literal["classify", "recommend", "summarise", "answer"]
SENTENCES_MAX = 4
"""Sentences of a model in one answer; what code says follows them."""
TROUBLED_LEAST = 2
"""Places with trouble that was measured, before a severity may be raised."""


class Option(Model):
    """Something that may be chosen. `rank` is how risky a runbook, or how bad a severity is: less is worse there."""

    id: str
    kind: Literal["category", "severity", "runbook"]
    text: str = ""
    rank: int = 0


class Facts(Model):
    """What a model is told for a step. `sentences` are what code says without it."""

    incident_id: str
    question: str = ""
    entries: tuple[TimelineEntry, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    names: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()


class Advice(Model):
    """What came of asking. Without `outcome` passed there is nothing in it but `why` and what it cost.

    `engine` is who was asked.
    """

    outcome: str
    engine: str = "offline"
    why: str = ""
    used: Use = Use()
    saved: Use = Use()
    """What was not spent, because exactly this had been asked before."""
    chosen: tuple[str, ...] = ()
    sentences: tuple[SummarySentence, ...] = ()
    replies: Transcript | None = None
    """What the model said on the way to it: for the archive, and part of nothing that is told."""

    @property
    def degraded(self) -> str | None:
        """Why the model had no word; None when it had."""
        return None if self.outcome == PASSED else self.why[:WHY_MAX]


def unasked(why: str) -> Advice:
    """Return the advice of a model that was not asked; `why` begins with the outcome."""
    return Advice(outcome=why.partition(":")[0], why=why)


class KeptStep(Model):
    """A small step as the archive keeps it: what the model was told, what it said, and what came of it."""

    step: StepName
    facts: Facts
    advice: Advice
    replies: Transcript


def kept_step(step: StepName, facts: Facts, advice: Advice, redact: Callable[[Any], Any]) -> KeptStep | None:
    """Return a step for the archive; None of one in which nobody knows what was said."""
    if advice.replies is None:
        return None
    told = advice.model_copy(update={"used": Use(), "saved": Use(), "replies": None})
    return KeptStep(step=step, facts=facts, advice=told, replies=cleaned(advice.replies, redact))
