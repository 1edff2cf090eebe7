"""The activity `recheck`: right before a step, is everything still as it was approved?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from services.executor.domain.work import Recheck, Rechecked
from services.executor.handlers.gathering import Fields, read
from services.executor.handlers.resolving import must_exist, read_clauses
from services.executor.ports import Outside
from shared.errors import AuthoredError, NotFoundError, RefusedError
from shared.integrations.reading import InfrastructureReader
from shared.runbooks.conditions import shown
from shared.runbooks.model import Runbook
from shared.runbooks.plan import Plan, PlannedStep, read_plan


class Rechecking:
    """May only let a step go on as approved, or stop it.

    Why it stops: `plan`, `runbook`, `target_drift`, `unreadable` or `precondition`. `now` is the database's clock.
    """

    def __init__(self, outside: Outside, runbooks: Mapping[str, Runbook], now: Callable[[], Awaitable[float]]) -> None:
        self._outside = outside
        self._runbooks = runbooks
        self._now = now

    async def recheck(self, args: Recheck) -> Rechecked:
        """Repeat the plan's reads and judge. An undo asks only for its target: it must work when things went wrong."""
        before: dict[str, str] = {}
        read_at = await self._now()
        try:
            why, detail = await self._judge(args, before)
        except RefusedError as error:
            why, detail = "plan", str(error)
        except (AuthoredError, NotFoundError) as error:
            why, detail = "unreadable", str(error)
        return {
            "execution_id": args["execution_id"],
            "step_id": args["step_id"],
            "ok": not why,
            "why": why,
            "detail": detail,
            "before": before,
            "read_at": read_at,
        }

    async def _judge(self, args: Recheck, before: dict[str, str]) -> tuple[str, str]:
        """Return why the step must not go on, empty when it may; put what was read into `before`."""
        plan, step = _approved(args)
        if not args["claimed"] and not self._is_current(plan):
            return "runbook", f"{plan.runbook_id} was edited after this plan was made; it needs a new plan"
        drift = await _drift(self._outside.infrastructure(args["environment"]), step, undo=args["rollback"])
        if drift:
            return "target_drift", drift
        if args["rollback"]:
            return "", ""
        gathered = {
            one.id: await read(self._outside, args["environment"], one.uses, one.arguments) for one in plan.gather
        }
        before |= _flat(gathered)
        failing = await asyncio.to_thread(_failing, plan, gathered)
        return ("precondition", failing) if failing else ("", "")

    def _is_current(self, plan: Plan) -> bool:
        """Say whether the runbook is still the one the plan was made of. What has begun goes on as approved."""
        runbook = self._runbooks.get(plan.runbook_id)
        return runbook is not None and runbook.sha256 == plan.runbook_sha256


def _approved(args: Recheck) -> tuple[Plan, PlannedStep]:
    plan = read_plan(args["plan"], args["plan_sha256"])
    if plan.environment != args["environment"] or plan.incident_id != args["incident_id"]:
        raise RefusedError("the plan is of another incident")
    step = next((step for step in plan.steps if step.id == args["step_id"]), None)
    if step is None or (args["rollback"] and step.rollback is None):
        raise RefusedError(f"the plan has no such step {args['step_id']!r}")
    return plan, step


async def _drift(infrastructure: InfrastructureReader, step: PlannedStep, *, undo: bool) -> str:
    """Return how the target differs from the approved one, empty when it is the same.

    A step that names a pid means exactly that process: one that was restarted meanwhile is another.
    """
    target = step.rollback.target if undo and step.rollback else step.target
    try:
        await must_exist(infrastructure, target)
        processes = await infrastructure.processes(target) if "pid" in step.arguments and not undo else None
    except NotFoundError as error:
        return str(error)
    if processes is None:
        return ""
    name, pid = step.arguments.get("process"), step.arguments["pid"]
    found = [process.pid for process in processes if process.name == name]
    if pid in found:
        return ""
    now = ", ".join(map(str, found))
    return f"{name} on {target} has pid {now}, not {pid}" if now else f"{name} does not run on {target} any more"


def _failing(plan: Plan, gathered: dict[str, Fields]) -> str:
    clauses = read_clauses(plan.preconditions, {"inputs": plan.inputs, "gather": gathered})
    return "; ".join(f"{clause['text']} ({clause['value']})" for clause in clauses if not clause["holds"])


def _flat(gathered: dict[str, Fields]) -> dict[str, str]:
    return {f"{name}.{field}": shown(value) for name, fields in gathered.items() for field, value in fields.items()}
