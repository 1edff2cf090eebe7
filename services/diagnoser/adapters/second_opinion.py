"""The offline engine, and a model beside it as far as time, money and a free place allow.

The offline conclusion is there first and stands whenever there is no opinion, marked with the reason. Nobody waits for
a place: in a storm an answer now is worth more than a better one later.
"""

from __future__ import annotations

import logging

from services.diagnoser.adapters.engine_process import GRACE, EngineProcess
from services.diagnoser.domain.finding_out import Conclusion
from services.diagnoser.domain.gathering import CaseJSON
from services.diagnoser.domain.model_use import Reach, Use
from services.diagnoser.domain.opinion import Opinion, marked
from services.diagnoser.domain.transcript import Transcript
from services.diagnoser.handlers.metrics import OPINIONS
from services.diagnoser.ports import Budget, Reserved
from shared.errors import SignoffError
from shared.runtime.clock import monotonic

log = logging.getLogger("signoff.diagnoser.engine")

CONVERSATIONS = 4
"""How many may be under way at once."""
LEAST_SECONDS = 3.0
"""A conversation with less time than this is not begun."""


class SecondOpinion:
    """An engine that asks the model after the offline engine."""

    def __init__(self, process: EngineProcess, budget: Budget, reach: Reach, allowance: Use) -> None:
        self._process = process
        self._budget = budget
        self._reach = reach
        self._allowance = allowance
        self._talking = 0

    async def diagnose(self, case: CaseJSON, *, limit: float) -> Conclusion:
        """Return the conclusion; raises only as the offline engine does."""
        began = monotonic()
        conclusion = await self._process.diagnose(case, limit=limit)
        left = limit - (monotonic() - began) - GRACE
        found = await self._opinion(case, min(self._allowance.seconds, left))
        if isinstance(found, Opinion):
            OPINIONS.labels(found.outcome).inc()
            return found.conclusion.model_copy(update={"replies": found.replies})
        OPINIONS.labels(found.partition(":")[0]).inc()
        unasked = Transcript(**self._reach.terms(), allowance=self._allowance, unasked=found)
        return marked(conclusion, self._reach.kind, found).model_copy(update={"replies": unasked})

    async def stop(self) -> None:
        """End the child."""
        await self._process.stop()

    async def _opinion(self, case: CaseJSON, seconds: float) -> Opinion | str:
        """Return the opinion of the model, or why there is none."""
        if self._talking >= CONVERSATIONS:
            return f"busy: the model is asked about {CONVERSATIONS} other incidents"
        if seconds < LEAST_SECONDS:
            return "no_time: the offline engine took it"
        self._talking += 1
        try:
            return await self._ask(case, self._allowance.model_copy(update={"seconds": round(seconds, 1)}))
        except SignoffError as error:
            log.warning("model_gave_no_opinion", extra={"case": case.get("case_id"), "reason": str(error)})
            return f"{error.reason}: the model could not be asked"
        finally:
            self._talking -= 1

    async def _ask(self, case: CaseJSON, allowance: Use) -> Opinion | str:
        incident = str(case.get("incident_id") or case.get("case_id") or "")
        reserved = await self._budget.reserve(incident, allowance)
        if reserved.refused:
            return f"budget: used up for this {reserved.refused}"
        terms = {"reach": self._reach.wire(), "allowance": allowance.model_dump(mode="json")}
        opinion = await self._process.consult(case, terms, seconds=allowance.seconds)
        await self._settle(reserved, opinion.used)
        return opinion

    async def _settle(self, reserved: Reserved, used: Use) -> None:
        """Give back what was not used. When that fails, more counts as used than was: never the other way."""
        try:
            await self._budget.settle(reserved, used)
        except SignoffError as error:
            log.warning("model_use_not_settled", extra={"reason": str(error)})
