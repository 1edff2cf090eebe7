"""The activities in which a model may add to what code says: after an investigation, to an answer, to a summary."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from services.diagnoser.domain.advice import Advice, Facts, KeptStep, StepName, kept_step, unasked
from services.diagnoser.domain.advising import classified, did, in_order, to_classify, to_recommend
from services.diagnoser.domain.finding_out import Arranged, Classified, Conclusion, Kept, KnownPlace, packed
from services.diagnoser.domain.gathering import JSON, Asked
from services.diagnoser.domain.recommending import Place, recommend
from services.diagnoser.handlers.waiting import LIMIT
from services.diagnoser.ports import Adviser, Redact
from shared.incident.model import Model
from shared.runbooks.model import Runbook
from shared.store.port import Claimed
from shared.store.worker import Renew


class Added(Model):
    """What a model adds after a diagnosis; `degraded` are the steps in which it was asked and has no word."""

    classified: Classified | None = None
    arranged: Arranged | None = None
    degraded: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """What it did in each step, or why it was not asked."""
    kept: tuple[KeptStep, ...] = ()
    """For the archive."""


class SmallSteps:
    """Asks a model to classify and to put runbooks in order, where code leaves it a choice."""

    def __init__(self, adviser: Adviser, runbooks: Sequence[Runbook], redact: Redact) -> None:
        self._adviser = adviser
        self._runbooks = runbooks
        self._redact = redact

    async def after(
        self, asked: Asked, conclusion: Conclusion, places: Mapping[str, KnownPlace], *, limit: float
    ) -> Added:
        """Return what it adds to a conclusion, within `limit` seconds."""
        result, evidence = conclusion.result, conclusion.evidence
        known = {name: Place(place.kind, place.services) for name, place in places.items()}
        found = recommend(result, self._runbooks, known, asked.services)
        to_class = to_classify(asked.incident_id, asked.severity, result, evidence)
        to_order = to_recommend(asked.incident_id, found, evidence)
        chosen, order = await asyncio.gather(
            self._ask("classify", to_class, limit), self._ask("recommend", to_order, limit)
        )
        asked_of: tuple[tuple[StepName, Facts | None, Advice | None], ...] = (
            ("classify", to_class, chosen),
            ("recommend", to_order, order),
        )
        steps = [(step, facts, advice) for step, facts, advice in asked_of if facts and advice]
        kept = [kept_step(step, facts, advice, self._redact.value) for step, facts, advice in steps]
        by_class = classified(chosen, to_class) if chosen and to_class else None
        by_order = in_order(order, to_order, found) if order and to_order else None
        return Added(
            classified=by_class,
            arranged=by_order,
            told=(
                *did(
                    "classify",
                    chosen,
                    "evidence allows one category and one severity",
                    by_class.told if by_class else "",
                ),
                *did("recommend", order, f"runbooks that fit: {len(found.items)}", by_order.told if by_order else ""),
            ),
            degraded=tuple(f"{step}: {advice.degraded}" for step, _, advice in steps if advice.degraded),
            kept=tuple(step for step in kept if step is not None),
        )

    async def _ask(self, step: StepName, facts: Facts | None, limit: float) -> Advice | None:
        return await self._adviser.advise(step, facts, limit=limit) if facts is not None else None


class Teller:
    """Runs the activity `tell`."""

    def __init__(self, adviser: Adviser | None, redact: Redact) -> None:
        self._adviser = adviser
        self._redact = redact

    async def tell(self, claimed: Claimed, renew: Renew) -> JSON:
        """Return `Advice` as JSON, and all that was told and said as `kept`.

        Without a model, which may be since a restart, it says so.
        """
        del renew
        if self._adviser is None:
            return unasked("no_model: none is configured any more").model_dump(mode="json")
        step: StepName = claimed.args["step"]
        facts = Facts.model_validate(self._redact.value(claimed.args["facts"]))
        advice = await self._adviser.advise(step, facts, limit=LIMIT)
        found = advice.model_dump(mode="json", exclude={"replies"})
        kept = kept_step(step, facts, advice, self._redact.value)
        if kept is None:
            return found
        full: JSON = {"case": {}, "conclusion": None, "collectors": [], "steps": [kept.model_dump(mode="json")]}
        return {**found, "kept": Kept(fence=claimed.fence, data=packed(full)).model_dump(mode="json")}
