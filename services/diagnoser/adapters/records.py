"""What became of deliveries, and silences, read from the diagnoser's store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson
from sqlalchemy import func, or_, select

from services.diagnoser.adapters.tables import DISPOSITION
from services.diagnoser.domain.gathering import JSON
from services.diagnoser.handlers.metrics import UNACCOUNTED
from services.diagnoser.handlers.scope_turn import KIND
from shared.incident.actor import Actor
from shared.runtime.clock import at
from shared.store.port import Store

TOTALS = ("numbered", "others", "decided", "lost")
LOOK_EVERY = 60.0
"""Seconds between two looks at what is unaccounted for."""


class StoredRecords:
    """Reads of dispositions and scopes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def deliveries(self, receipt: str) -> list[Mapping[str, JSON]]:
        """Return what became of each message."""
        named = or_(DISPOSITION.c.receipt == receipt, DISPOSITION.c.message_id == receipt)
        rows = await self._store.select(select(DISPOSITION).where(named))
        return [_shown(row) for row in sorted(rows, key=lambda row: _number(row["message_id"]))]

    async def look(self) -> int:
        """Look whether every message is accounted for, so that the metric tells it although nobody asks."""
        await self._totals()
        return 0

    async def account(self) -> Mapping[str, JSON]:
        """Return the accounts of all scopes together. `kept` is the rows that retention has left."""
        total = await self._totals()
        kept = await self._store.select(select(func.count().label("n")).select_from(DISPOSITION))
        waiting = self._store.waiting()
        taken = total["numbered"] - total["others"]
        return {
            "inserts": taken + waiting,
            "dispositions": total["decided"],
            "dead_without_receipt": total["lost"],
            "pending": waiting,
            "balanced": taken == total["decided"] + total["lost"],
            "kept": int(kept[0]["n"]),
        }

    async def _totals(self) -> Mapping[str, int]:
        states = (await self._store.states(KIND)).values()
        total = {name: sum(state.get(name, 0) for state in states) for name in TOTALS}
        UNACCOUNTED.set(total["numbered"] - total["others"] - total["decided"] - total["lost"])
        return total

    async def silences(self) -> list[Mapping[str, JSON]]:
        """Return the silences in force."""
        now = at(await self._store.now())
        return [
            {
                "id": silence["id"],
                "matchers": silence["matchers"],
                "starts_at": silence["starts_at"],
                "ends_at": silence["ends_at"],
                "author": Actor.model_validate(silence["author"]).label,
                "reason": silence["reason"],
                "environment": state["environment"],
            }
            for state in (await self._store.states(KIND)).values()
            for silence in state["silences"].values()
            if datetime.fromisoformat(silence["ends_at"]) > now
        ]


def _number(message_id: str) -> int:
    number = message_id.partition("/")[2]
    return int(number) if number.isdecimal() else 0


def _shown(row: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return {
        "receipt": row["message_id"],
        "source": row["source"],
        "received_at": at(row["received_at"]).isoformat().replace("+00:00", "Z"),
        "disposition": row["disposition"],
        "reason": row["reason"],
        "incident_id": row["incident_id"],
        "alerts": [orjson.loads(row["alert"])] if row["alert"] else [],
    }
