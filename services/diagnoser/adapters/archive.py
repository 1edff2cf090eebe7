"""The full data of investigations, in the diagnoser's store."""

from __future__ import annotations

import asyncio
import zlib

import orjson
from sqlalchemy import select

from services.diagnoser.adapters.tables import INVESTIGATION
from services.diagnoser.ports import Investigated
from shared.errors import NotFoundError
from shared.store.port import Store


class StoredArchive:
    """One compressed row for each run of an investigation; transitions write them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, investigation_id: str) -> Investigated:
        """Return the newest run."""
        statement = (
            select(INVESTIGATION)
            .where(INVESTIGATION.c.id == investigation_id)
            .order_by(INVESTIGATION.c.fence.desc())
            .limit(1)
        )
        rows = await self._store.select(statement)
        if not rows:
            raise NotFoundError(f"no investigation {investigation_id!r}; full data are kept for 30 days")
        [row] = rows
        data = await asyncio.to_thread(lambda: orjson.loads(zlib.decompress(row["data"])))
        return Investigated(id=row["id"], incident_id=row["incident_id"], environment=row["environment"], **data)

    async def of_incident(self, incident_id: str) -> list[str]:
        """Return ids, oldest first."""
        statement = select(INVESTIGATION.c.id, INVESTIGATION.c.at).where(INVESTIGATION.c.incident_id == incident_id)
        rows = await self._store.select(statement.order_by(INVESTIGATION.c.at))
        return list(dict.fromkeys(row["id"] for row in rows))
