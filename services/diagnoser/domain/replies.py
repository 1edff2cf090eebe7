"""Which function answers which kind of question."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.diagnoser.domain import found, progress
from services.diagnoser.domain.asking import Meant
from services.diagnoser.domain.knowing import Known, Sentence

Reply = Callable[[Known, Meant], list[Sentence]]
"""From what is known to sentences with citations."""

REPLIES: Mapping[str, Reply] = {
    "confidence": found.confidence,
    "history": found.history,
    "articles": found.articles,
    "duration": progress.duration,
    "over": progress.over,
    "approval": progress.approval,
    "people": progress.people,
    "next": progress.next_steps,
    "missing": found.missing,
    "excluded": found.excluded,
    "change": found.change,
    "logs": found.logs,
    "alerts": progress.alerts,
    "affected": progress.affected,
    "done": progress.done,
    "cause": found.cause,
    "evidence": found.evidence,
}
