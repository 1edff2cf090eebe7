"""The activity `prepare_plan`: a recommended runbook, resolved against what is really there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from services.executor.domain.work import PreparedPlan, PreparePlan
from services.executor.handlers.gathering import gather
from services.executor.handlers.resolving import must_exist, read_clauses, resolve_inputs
from services.executor.ports import Outside
from shared.errors import AuthoredError, NotFoundError
from shared.incident.diagnosis import ActionRecommendation
from shared.runbooks.model import Runbook
from shared.runbooks.plan import make_plan
from shared.runbooks.substitute import substitute


class Preparing:
    """Makes plans of the runbooks that were read at start."""

    def __init__(self, outside: Outside, runbooks: Mapping[str, Runbook]) -> None:
        self._outside = outside
        self._runbooks = runbooks

    async def prepare(self, args: PreparePlan) -> PreparedPlan:
        """Return the plan, why there can be none, or that no runbook has this id and digest."""
        told: PreparedPlan = {"recommendation_id": args["recommendation_id"], "index": args["index"]}
        item = ActionRecommendation.model_validate(args["item"])
        runbook = self._runbooks.get(item.runbook_id)
        if runbook is None or runbook.sha256 != item.runbook_sha256:
            return {**told, "missing": True}
        lacking = self._lacking(runbook, args["environment"])
        if lacking:
            return {**told, "refused": "no_actuator", "detail": lacking}
        try:
            return {**told, **await self._plan(runbook, item, args)}
        except (AuthoredError, NotFoundError) as error:
            return {**told, "refused": "unresolvable", "detail": str(error)}

    def _lacking(self, runbook: Runbook, environment: str) -> str:
        verbs = self._outside.verbs(environment)
        if verbs is None:
            return f"nothing is connected that could change anything in environment {environment!r}"
        undo = [step.rollback.uses for step in runbook.actions if step.rollback]
        missing = sorted({step.uses for step in runbook.actions}.union(undo) - set(verbs))
        return f"nothing connected can do {', '.join(missing)}" if missing else ""

    async def _plan(self, runbook: Runbook, item: ActionRecommendation, args: PreparePlan) -> PreparedPlan:
        environment = args["environment"]
        infrastructure = self._outside.infrastructure(environment)
        inputs = await resolve_inputs(runbook.inputs, item.parameters, infrastructure)
        reads = [(one.id, one.uses, one.with_) for one in runbook.gather]
        gathered = await gather(self._outside, environment, reads, inputs)
        plan = make_plan(
            runbook, environment=environment, incident_id=args["incident_id"], inputs=inputs, gather=gathered
        )
        for target in plan.targets:
            await must_exist(infrastructure, target)
        context = {"inputs": inputs, "gather": gathered}
        # In a thread, because the first condition of a process imports the engine of conditions.
        clauses = await asyncio.to_thread(read_clauses, plan.preconditions, context)
        return {
            "recommendation_id": args["recommendation_id"],
            "index": args["index"],
            "plan": plan.text(),
            "clauses": clauses,
            "approval": {
                "count": runbook.approval.count,
                "expires_seconds": runbook.approval.expires_seconds,
                "on_expire": runbook.approval.on_expire,
            },
            "expected_effect": str(substitute(runbook.expected_effect, context)),
        }
