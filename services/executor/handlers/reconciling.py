"""The activity `reconcile`: what became of a call, by the vendor's own record and nothing else."""

from __future__ import annotations

from typing import Literal

from services.executor.domain.work import Reconcile, Reconciled
from services.executor.ports import Outside
from shared.errors import NotFoundError


class Reconciling:
    """Only reads, so it may be asked again."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def reconcile(self, args: Reconcile) -> Reconciled:
        """Return what the record says. When to ask, so that "no record" means "not applied", is the transition's."""
        outcome, detail = await self._look(args)
        return {
            "execution_id": args["execution_id"],
            "step_id": args["step_id"],
            "outcome": outcome,
            "detail": detail,
        }

    async def _look(self, args: Reconcile) -> tuple[Literal["succeeded", "not_applied", "needs_human"], str]:
        try:
            record = await self._outside.infrastructure(args["environment"]).find_call(args["token"])
        except NotFoundError as error:
            return "needs_human", f"there is no record to ask: {error}"
        if record is None:
            return "not_applied", "the record has no call with this token"
        if not record.applied:
            return "not_applied", f"the record says that it was not applied: {record.detail}"
        return "succeeded", f"the record says that it was applied at {record.at:%H:%M:%S} UTC: {record.detail}"
