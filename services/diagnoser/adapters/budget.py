"""What asking a model has used, by day and by incident, in the diagnoser's store.

A conversation is paid for in full before it begins and settled when it is over: a crash in between counts all of it, so
that no limit is ever passed. Each step is one statement, so it holds among several diagnosers as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from services.diagnoser.adapters.tables import MODEL_USE
from services.diagnoser.domain.gathering import JSON
from services.diagnoser.domain.model_use import FIELDS, Use
from services.diagnoser.ports import Reserved
from shared.runtime.clock import at
from shared.store.port import Store

DAY, INCIDENT, SAVED = "day", "incident", "saved"
SHOWN = 20
ROUNDING = 1e-9
"""Sums of fractions of a dollar are off by less than this."""


class StoredBudget:
    """One row a day and one an incident."""

    def __init__(self, store: Store, *, day: Use, incident: Use) -> None:
        self._store = store
        self._most = {DAY: day, INCIDENT: incident}

    async def reserve(self, incident_id: str, amount: Use) -> Reserved:
        """Take an amount from the day's and the incident's budget."""
        day = await self._today()
        if not await self._take(DAY, day, amount):
            return Reserved(day, incident_id, amount, refused=DAY)
        if await self._take(INCIDENT, incident_id, amount):
            return Reserved(day, incident_id, amount)
        await self._add(DAY, day, amount, Use())
        return Reserved(day, incident_id, amount, refused=INCIDENT)

    async def settle(self, reserved: Reserved, used: Use, *, saved: Use) -> None:
        """Give back what was reserved and not used. What was saved is counted apart and limits nothing."""
        await self._add(DAY, reserved.day, reserved.amount, used)
        await self._add(INCIDENT, reserved.incident_id, reserved.amount, used)
        if saved != Use():
            await self._take(SAVED, reserved.day, saved)

    async def account(self) -> Mapping[str, JSON]:
        """Return used and limit of today and of the latest incidents."""
        day = await self._today()
        rows = await self._store.select(select(MODEL_USE).order_by(MODEL_USE.c.at.desc()).limit(2 * SHOWN))
        today = {row["scope"]: row for row in rows if row["id"] == day}
        return {
            "day": self._shown(DAY, {"id": day, **today.get(DAY, {})}),
            "saved": _used(today.get(SAVED, {})).model_dump(),
            "incidents": [self._shown(INCIDENT, row) for row in rows if row["scope"] == INCIDENT][:SHOWN],
        }

    def _shown(self, scope: str, row: Mapping[str, JSON]) -> Mapping[str, JSON]:
        used = _used(row)
        most = self._most[scope]
        told = {"used": used, "limit": most, "left": most.minus(used)}
        return {"id": row["id"], **{name: amount.model_dump() for name, amount in told.items()}}

    async def _today(self) -> str:
        return at(await self._store.now()).date().isoformat()

    async def _take(self, scope: str, name: str, amount: Use) -> bool:
        """Add an amount unless that would be more than the limit, where there is one; say whether it was added."""
        most = self._most.get(scope)
        if most is not None and amount.beyond(most):
            return False
        row = {"scope": scope, "id": name, "at": await self._store.now(), **amount.model_dump()}
        new = insert(MODEL_USE).values(row)
        limits = most.model_dump() if most is not None else {}
        fits = [MODEL_USE.c[field] + new.excluded[field] <= limit + ROUNDING for field, limit in limits.items()]
        sums = {field: MODEL_USE.c[field] + new.excluded[field] for field in FIELDS}
        statement = new.on_conflict_do_update(
            index_elements=["scope", "id"], set_={**sums, "at": new.excluded.at}, where=and_(true(), *fits)
        )
        return bool(await self._store.execute(statement.returning(MODEL_USE.c.id)))

    async def _add(self, scope: str, name: str, less: Use, more: Use) -> None:
        changes = {f: MODEL_USE.c[f] + (getattr(more, f) - getattr(less, f)) for f in FIELDS}
        named = and_(MODEL_USE.c.scope == scope, MODEL_USE.c.id == name)
        await self._store.execute(update(MODEL_USE).where(named).values(changes))


def _used(row: Mapping[str, JSON]) -> Use:
    return Use(**{name: max(row.get(name, 0), 0) for name in FIELDS})
