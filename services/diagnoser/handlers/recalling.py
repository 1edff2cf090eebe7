"""What was normal before: recalled where an investigation could fetch too little, and kept for the next one."""

from __future__ import annotations

import asyncio

from services.diagnoser.domain.gathering import JSON, CaseJSON
from services.diagnoser.domain.sketches import learnt, needed, with_backgrounds
from services.diagnoser.ports import Backgrounds


async def recall(backgrounds: Backgrounds, environment: str, case: CaseJSON) -> dict[str, JSON]:
    """Return a case with the backgrounds that its thin histories need, and keep what its histories teach.

    What is recalled becomes part of the case, so that whoever concludes from it again concludes the same.
    """
    metrics = case.get("metrics", ())
    if not metrics:
        return {**case}
    seen = await backgrounds.seen(environment, {metric["entity"] for metric in metrics})
    wanted = needed(case, seen)
    if not wanted:
        return {**case}
    known = await backgrounds.find(environment, wanted)
    looked_at = {"metrics": [metric for metric in metrics if metric["entity"] in wanted]}
    told, news = await asyncio.to_thread(lambda: (with_backgrounds(case, known), learnt(looked_at, known)))
    await backgrounds.keep(environment, news)
    return {**told}
