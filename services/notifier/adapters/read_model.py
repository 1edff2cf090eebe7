"""Reads of journal and list, and rebuilding the list when its rules have changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import select

from services.notifier.adapters.tables import APPROVAL, INCIDENT, JOURNAL
from services.notifier.domain.detail import Detail
from services.notifier.domain.folding import fold
from services.notifier.domain.overview import FOLD, Overview
from services.notifier.handlers.incident import REFOLDED
from services.notifier.handlers.incident_state import aggregate
from shared.errors import NotFoundError
from shared.lifecycle.timeline import Told
from shared.store.model import Incoming
from shared.store.port import Store

PREFIX_MIN = 4
CACHED = 64
"""Incidents whose folded detail is kept in memory."""


class StoredReadModel:
    """The read model in the notifier's store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._details: OrderedDict[str, tuple[int, Detail]] = OrderedDict()

    async def incidents(self, *, environment: str = "", limit: int = 200) -> list[Overview]:
        """Return incidents, newest first."""
        statement = select(INCIDENT.c.overview).order_by(INCIDENT.c.opened_at.desc()).limit(limit)
        if environment:
            statement = statement.where(INCIDENT.c.environment == environment)
        return [Overview.model_validate_json(row["overview"]) for row in await self._store.select(statement)]

    async def find(self, prefix: str) -> Overview:
        """Return the incident whose id begins so. Raises NotFoundError for none and for several."""
        wanted = prefix.upper()
        if not wanted.startswith("INC-"):
            wanted = f"INC-{wanted}"
        if len(wanted) <= PREFIX_MIN:
            raise NotFoundError(f"{prefix!r} is too short to name an incident")
        statement = (
            select(INCIDENT.c.id, INCIDENT.c.overview)
            .where(INCIDENT.c.id.startswith(wanted, autoescape=True))
            .order_by(INCIDENT.c.id)
            .limit(5)
        )
        rows = await self._store.select(statement)
        exact = [row for row in rows if row["id"] == wanted] or rows
        if not exact:
            raise NotFoundError(f"no incident {prefix!r}")
        if len(exact) > 1:
            names = ", ".join(str(row["id"]) for row in exact)
            raise NotFoundError(f"{prefix!r} names several incidents: {names}")
        return Overview.model_validate_json(exact[0]["overview"])

    async def journal(self, incident_id: str) -> list[Told]:
        """Return the events of an incident in order."""
        rows = await self._store.select(_journal(incident_id))
        return [_told(row) for row in rows]

    async def detail(self, incident_id: str) -> Detail:
        """Return everything known of an incident. Raises NotFoundError.

        Folded again only when its journal has grown.
        """
        newest = await self._store.select(
            select(JOURNAL.c.n, JOURNAL.c.environment)
            .where(JOURNAL.c.incident_id == incident_id)
            .order_by(JOURNAL.c.n.desc())
            .limit(1)
        )
        if not newest:
            raise NotFoundError(f"no incident {incident_id!r}")
        known = self._details.get(incident_id)
        if known is not None and known[0] == newest[0]["n"]:
            return known[1]
        events = await self.journal(incident_id)
        detail = fold(events, incident_id=incident_id, environment=newest[0]["environment"])
        self._details[incident_id] = (len(events), detail)
        while len(self._details) > CACHED:
            self._details.popitem(last=False)
        return detail

    async def incident_of(self, approval_id: str) -> str:
        """Return the incident of a question. Raises NotFoundError."""
        rows = await self._store.select(select(APPROVAL.c.incident_id).where(APPROVAL.c.id == approval_id))
        if not rows:
            raise NotFoundError(f"no approval {approval_id!r}")
        return str(rows[0]["incident_id"])

    async def silent(self, incident_id: str) -> list[str]:
        """Return the decisions that nobody has ruled on, after all resends."""
        state = await self._store.state(aggregate(incident_id))
        return list(state["silent"]) if state else []

    async def refold(self) -> int:
        """Fold every row that was made by other rules again, from its journal; return how many."""
        rows = await self._store.select(select(INCIDENT.c.id, INCIDENT.c.environment).where(INCIDENT.c.fold != FOLD))
        for row in rows:
            events = await self.journal(row["id"])
            overview = fold(events, incident_id=row["id"], environment=row["environment"]).overview
            if overview is not None:
                body = orjson.dumps({"n": len(events), "overview": overview.model_dump(mode="json")})
                message_id = f"refold/{row['id']}/{FOLD}/{len(events)}"
                await self._store.take([Incoming(aggregate(row["id"]), message_id, REFOLDED, body)])
        return len(rows)


def _journal(incident_id: str) -> Any:  # noqa: ANN401 -- SQLAlchemy's types of selected columns help nobody here
    return select(JOURNAL).where(JOURNAL.c.incident_id == incident_id).order_by(JOURNAL.c.n)


def _told(row: Mapping[str, Any]) -> Told:
    return Told(
        id=row["id"],
        type=row["type"],
        time=row["time"],
        source=row["source"],
        body=orjson.loads(row["body"]),
        causation=row["causation"],
    )
