"""The offline engine, and a model beside it as far as time, money and a free place allow.

The offline conclusion is there first and stands whenever there is no opinion, marked with the reason. Nobody waits for
a place: in a storm an answer now is worth more than a better one later.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from services.diagnoser.adapters.engine_process import GRACE, EngineProcess
from services.diagnoser.domain.advice import Advice, Facts, StepName, unasked
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.domain.model_use import Reach, Use
from services.diagnoser.domain.opinion import Opinion, marked
from services.diagnoser.domain.transcript import Transcript
from services.diagnoser.handlers.metrics import OPINIONS
from services.diagnoser.ports import Budget, Recall, Reserved
from shared.errors import SignoffError
from shared.incident.evidence import LookAlike
from shared.runtime.clock import monotonic

log = logging.getLogger("signoff.diagnoser.engine")

Answer = TypeVar("Answer", Opinion, Advice)

CONVERSATIONS = 4
"""How many may be under way at once."""
LEAST_SECONDS = 3.0
"""A conversation with less time than this is not begun."""


class SecondOpinion:
    """An engine that asks the model after the offline engine, and in the small steps after code.

    `allowance` is for a diagnosis, `small` for each small step.
    """

    def __init__(self, process: EngineProcess, budget: Budget, reach: Reach, allowance: Use, small: Use) -> None:
        self._process = process
        self._budget = budget
        self._reach = reach
        self._allowance, self._small = allowance, small
        self._talking = 0

    async def diagnose(self, case: CaseJSON, *, limit: float, recall: Recall | None = None) -> Conclusion:
        """Return the conclusion; raises only as the offline engine does."""
        began = monotonic()
        conclusion = await self._process.diagnose(case, limit=limit)
        allowance = self._within(self._allowance, limit - (monotonic() - began))
        look_alikes: Sequence[LookAlike] = ()
        if recall is not None and allowance.seconds >= LEAST_SECONDS:
            look_alikes = await recall(conclusion)
            allowance = self._within(self._allowance, limit - (monotonic() - began))
        incident = str(case.get("incident_id") or case.get("case_id") or "")
        past = [one.model_dump(mode="json") for one in look_alikes]
        terms = {**self._terms(allowance), "look_alikes": past}
        found = await self._asked(
            incident, allowance, lambda: self._process.consult(case, terms, seconds=allowance.seconds)
        )
        if isinstance(found, Opinion):
            OPINIONS.labels("diagnose", found.outcome).inc()
            return found.conclusion.model_copy(update={"replies": found.replies})
        OPINIONS.labels("diagnose", found.partition(":")[0]).inc()
        replies = self._unasked(self._allowance, found)
        return marked(conclusion, self._reach.kind, found).model_copy(update={"replies": replies})

    async def advise(self, step: StepName, facts: Facts, *, limit: float) -> Advice:
        """Return what the model adds in a small step, or why it has no word. Raises nothing that the product knows."""
        allowance = self._within(self._small, limit)
        terms = self._terms(allowance)
        found = await self._asked(
            facts.incident_id,
            allowance,
            lambda: self._process.advise(step, facts, terms, seconds=allowance.seconds),
        )
        if isinstance(found, str):
            found = unasked(found).model_copy(update={"replies": self._unasked(allowance, found)})
        OPINIONS.labels(step, found.outcome).inc()
        return found.model_copy(update={"engine": self._reach.kind})

    async def stop(self) -> None:
        """End the child."""
        await self._process.stop()

    def _unasked(self, allowance: Use, why: str) -> Transcript:
        return Transcript(**self._reach.terms(), allowance=allowance, unasked=why)

    def _within(self, allowance: Use, left: float) -> Use:
        return allowance.model_copy(update={"seconds": max(round(min(allowance.seconds, left - GRACE), 1), 0.0)})

    def _terms(self, allowance: Use) -> dict[str, Any]:
        return {"reach": self._reach.wire(), "allowance": allowance.model_dump(mode="json")}

    async def _asked(self, incident: str, allowance: Use, ask: Callable[[], Awaitable[Answer]]) -> Answer | str:
        """Return what the model says, or why it was not asked. One place and one ledger for all steps."""
        if self._talking >= CONVERSATIONS:
            return f"busy: the model is asked about {CONVERSATIONS} other incidents"
        if allowance.seconds < LEAST_SECONDS:
            return "no_time: the offline engine took it"
        self._talking += 1
        try:
            reserved = await self._budget.reserve(incident, allowance)
            if reserved.refused:
                return f"budget: used up for this {reserved.refused}"
            found = await ask()
            await self._settle(reserved, found)
        except SignoffError as error:
            log.warning("model_gave_no_opinion", extra={"incident": incident, "reason": str(error)})
            return f"{error.reason}: the model could not be asked"
        else:
            return found
        finally:
            self._talking -= 1

    async def _settle(self, reserved: Reserved, found: Opinion | Advice) -> None:
        """Give back what was not used. When that fails, more counts as used than was: never the other way."""
        try:
            await self._budget.settle(reserved, found.used, saved=found.saved)
        except SignoffError as error:
            log.warning("model_use_not_settled", extra={"reason": str(error)})
