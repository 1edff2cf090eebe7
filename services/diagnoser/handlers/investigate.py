"""The activity `investigate`: gather evidence from everywhere at once, let an engine judge it, keep and cut it.

It never fails for what is outside: a collector that breaks, is late or has nobody to ask leaves a gap, an engine that
does not answer leaves an inconclusive result that says so. Only an unreachable database has it done again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from services.diagnoser.domain.articles import with_articles
from services.diagnoser.domain.classifying import with_affected
from services.diagnoser.domain.finding_out import Conclusion, Findings, Kept, packed, snapshot
from services.diagnoser.domain.gaps import FAILED, GAP, OK, TIMEOUT, blind, gaps_of, looked, with_gaps, without_engine
from services.diagnoser.domain.gathering import (
    CUT,
    JSON,
    Asked,
    CaseJSON,
    assemble,
    entities_near,
    kinds_of,
    places_of,
    series_of,
    spans,
    words_of,
)
from services.diagnoser.domain.likeness import Signs, look_alikes, signs_of, with_history
from services.diagnoser.domain.reliability import weighed
from services.diagnoser.domain.transcript import cleaned
from services.diagnoser.handlers.advising import Added, SmallSteps
from services.diagnoser.handlers.metrics import COLLECTED, CONCLUDED
from services.diagnoser.handlers.recalling import recall
from services.diagnoser.ports import Backgrounds, Collector, DataClock, Engine, Memory, Redact, Scene
from shared.errors import NotFoundError, SignoffError, UnavailableError
from shared.events.investigations import CollectorOutcome
from shared.incident.evidence import LookAlike
from shared.integrations.reading import Window
from shared.runtime.clock import monotonic
from shared.store.port import Claimed
from shared.store.worker import Renew

log = logging.getLogger("signoff.diagnoser")

LOOK_AROUND = 5.0
"""Seconds for what every collector needs first: data time and topology."""
ENGINE_LIMIT = 60.0
"""Seconds for the engine, waiting for its turn included. With the collectors it stays 30 s below the lease."""
HISTORY = "history"
_DETAIL_MAX = 200
_NUMBERS = frozenset({"baseline", "window"})

Found = TypeVar("Found")
Collected = tuple[CaseJSON, list[CollectorOutcome]]


@dataclass(frozen=True, slots=True)
class Means:
    """By what an investigation gathers and judges."""

    clock: DataClock
    topology: Collector
    collectors: Sequence[Collector]
    engine: Engine
    redact: Redact
    memory: Memory
    backgrounds: Backgrounds
    collect_seconds: float = 20.0
    small_steps: SmallSteps | None = None


class Investigator:
    """Runs investigations."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def investigate(self, claimed: Claimed, renew: Renew) -> JSON:
        """Return `Findings` as JSON, with all that was seen as `kept`.

        Raises UnavailableError when the database is away: then it is done again.
        """
        del renew
        asked = Asked.model_validate(claimed.args)
        parts, outcomes = await self._gather(asked)
        beside = asyncio.to_thread if any(parts) else _at_once  # Without evidence there is too little to do.
        case = await beside(redacted, assemble(asked, parts), self._means.redact)
        case = await recall(self._means.backgrounds, asked.environment, case)
        began = monotonic()
        conclusion = with_gaps(await self._judge(asked, case, outcomes), gaps_of(outcomes))
        CONCLUDED.labels(conclusion.result.status, str(conclusion.result.degraded is not None).lower()).inc()
        signs = signs_of(asked, case, conclusion)
        alike, back = await self._look_back(asked, signs)
        causes = conclusion.result.causes
        standings = await self._means.memory.standings(asked.environment) if causes else {}
        told = with_gaps(with_history(weighed(with_articles(conclusion, case), standings), alike), gaps_of([back]))
        told = with_affected(told, kinds_of(asked, case), asked.services)
        places = places_of(told.result, asked, case)
        added = Added()
        if self._means.small_steps is not None:
            left = ENGINE_LIMIT - (monotonic() - began)
            added = await self._means.small_steps.after(asked, told, places, limit=left)
        said = conclusion.replies
        full = {
            "case": case,
            "conclusion": conclusion.model_dump(mode="json"),
            "collectors": [outcome.model_dump(mode="json") for outcome in outcomes],
            "replies": said and cleaned(said, self._means.redact.value).model_dump(mode="json"),
            "steps": [step.model_dump(mode="json") for step in added.kept],
        }
        kept = Kept(fence=claimed.fence, data=await beside(packed, full))
        findings = Findings(
            result=told.result.model_copy(update={"degraded_steps": added.degraded, "model_steps": added.told}),
            gathered=snapshot(asked.investigation_id, told, series_of(case), [*outcomes, back], alike),
            places=places,
            signs=signs,
            classified=added.classified,
            arranged=added.arranged,
        )
        return {**findings.model_dump(mode="json"), "kept": kept.model_dump(mode="json")}

    async def _look_back(self, asked: Asked, signs: Signs) -> tuple[tuple[LookAlike, ...], CollectorOutcome]:
        """Return the closed incidents that were most alike. They may support a conclusion; they never change it."""

        async def search() -> tuple[LookAlike, ...]:
            return look_alikes(signs, await self._means.memory.past(asked.environment, but=asked.incident_id))

        nothing: tuple[LookAlike, ...] = ()
        return await self._try(HISTORY, search, LOOK_AROUND, nothing)

    async def _gather(self, asked: Asked) -> tuple[list[CaseJSON], list[CollectorOutcome]]:
        """Return parts of the case, and how each collector fared."""
        means = self._means
        around = _scene(asked, asked.latest, ())
        (now, clock), [(topology, mapped)] = await asyncio.gather(
            self._data_time(asked), self._collect_all([means.topology], around)
        )
        near = entities_near(asked, topology.get("topology", {}))
        scene = _scene(asked, now, near, means.collect_seconds)
        found = await self._collect_all(means.collectors, scene)
        fared = [clock, *mapped, *(outcome for _, outcomes in found for outcome in outcomes)]
        return [topology, *(part for part, _ in found)], fared

    async def _data_time(self, asked: Asked) -> tuple[datetime, CollectorOutcome]:
        clock = self._means.clock
        gap = self._gap(clock.name, clock.missing(asked.environment))
        if gap is not None:
            return asked.latest, gap
        return await self._try(clock.name, lambda: clock.now(asked.environment), LOOK_AROUND, asked.latest)

    async def _collect_all(self, collectors: Sequence[Collector], scene: Scene) -> list[Collected]:
        """Return what each collector found, as `_collect` does; for who has nobody to ask nothing is started."""
        gaps = [self._gap(one.name, one.missing(scene.environment)) for one in collectors]
        asked = [self._collect(one, scene) for one, gap in zip(collectors, gaps, strict=True) if gap is None]
        for gap in filter(None, gaps):
            COLLECTED.labels(gap.collector, gap.outcome).observe(0.0)
        found = iter(await asyncio.gather(*asked))
        return [next(found) if gap is None else ({}, [gap]) for gap in gaps]

    def _gap(self, name: str, why: str) -> CollectorOutcome | None:
        """Return the outcome of a collector that has nobody to ask, None when it has somebody."""
        return CollectorOutcome(collector=name, outcome=GAP, detail=self._told(why)) if why else None

    async def _collect(self, collector: Collector, scene: Scene) -> Collected:
        """Return what a collector found, how it went, and a gap for each thing that it could not fetch whole."""
        nothing: CaseJSON = {}
        part, outcome = await self._try(collector.name, lambda: collector.collect(scene), scene.seconds, nothing)
        COLLECTED.labels(outcome.collector, outcome.outcome).observe(outcome.seconds)
        cuts = [
            CollectorOutcome(collector=what, outcome=GAP, detail=self._told(why))
            for what, why in part.get(CUT, {}).items()
        ]
        return part, [outcome, *cuts]

    async def _try(
        self, name: str, work: Callable[[], Awaitable[Found]], limit: float, otherwise: Found
    ) -> tuple[Found, CollectorOutcome]:
        """Return what `work` finds, or `otherwise`, and how it went."""
        begun = monotonic()
        found, outcome, detail = otherwise, OK, ""
        try:
            async with asyncio.timeout(limit):
                found = await work()
            outcome = looked(found)
        except TimeoutError:
            outcome, detail = TIMEOUT, f"no answer within {limit:g} s"
        except NotFoundError as error:
            outcome, detail = GAP, str(error)
        except SignoffError as error:
            outcome, detail = FAILED, str(error)
        except Exception as error:
            # The collector boundary: a vendor's surprise must not end the others.
            log.exception("collector_failed", extra={"collector": name})
            outcome, detail = FAILED, type(error).__name__
        seconds = round(monotonic() - begun, 3)
        return found, CollectorOutcome(collector=name, outcome=outcome, detail=self._told(detail), seconds=seconds)

    def _told(self, detail: str) -> str:
        return self._means.redact.text(detail)[:_DETAIL_MAX]

    async def _judge(self, asked: Asked, case: CaseJSON, outcomes: Sequence[CollectorOutcome]) -> Conclusion:
        if not any(outcome.outcome == OK for outcome in outcomes):
            return blind(gaps_of(outcomes))

        async def alike(found: Conclusion) -> tuple[LookAlike, ...]:
            return (await self._look_back(asked, signs_of(asked, case, found)))[0]

        try:
            return await self._means.engine.diagnose(case, limit=ENGINE_LIMIT, recall=alike)
        except SignoffError as error:
            log.warning("engine_gave_no_conclusion", extra={"case": case["case_id"], "reason": str(error)})
            reason = "no_answer" if isinstance(error, UnavailableError) else error.reason
            return without_engine(self._means.redact.text(f"{reason}: {error}"))


async def _at_once(work: Callable[..., Found], *given: object) -> Found:
    return work(*given)


def redacted(case: CaseJSON, redact: Redact) -> dict[str, JSON]:
    """Return a case without secrets. Every text came from outside; numbers are left alone, there are too many."""
    clean: dict[str, JSON] = {name: redact.value(value, name) for name, value in case.items() if name != "metrics"}
    if "metrics" in case:
        clean["metrics"] = [
            {name: value if name in _NUMBERS else redact.value(value, name) for name, value in metric.items()}
            for metric in case["metrics"]
        ]
    return clean


def _scene(asked: Asked, now: datetime, entities: tuple[str, ...], seconds: float = LOOK_AROUND) -> Scene:
    baseline, window = spans(now, asked.started_at)
    return Scene(
        asked.environment, asked.services, entities, Window(*window), Window(*baseline), seconds, words_of(asked)
    )
