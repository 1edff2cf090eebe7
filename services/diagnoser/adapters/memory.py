"""What earlier incidents and people's verdicts teach, in the diagnoser's store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import bindparam, select

from services.diagnoser.adapters.tables import PAST_INCIDENT, VERDICT
from services.diagnoser.domain.cause_names import UNKNOWN
from services.diagnoser.domain.likeness import Past
from services.diagnoser.domain.reliability import Standing
from shared.runtime.clock import at
from shared.store.port import Store

VERDICTS_MAX = 5000
PAST_MAX = 500
"""The newest are looked at, of one environment."""
# Made once: to make a statement takes SQLAlchemy longer than the database takes to find that there is nothing.
_JUDGED = (
    select(VERDICT)
    .where(VERDICT.c.environment == bindparam("environment"), VERDICT.c.cause != "")
    .order_by(VERDICT.c.at.desc(), VERDICT.c.person)
    .limit(VERDICTS_MAX)
)
_CLOSED = (
    select(PAST_INCIDENT)
    .where(
        PAST_INCIDENT.c.environment == bindparam("environment"),
        PAST_INCIDENT.c.closed_at.is_not(None),
        PAST_INCIDENT.c.signs.is_not(None),
        PAST_INCIDENT.c.incident_id != bindparam("but"),
    )
    .order_by(PAST_INCIDENT.c.closed_at.desc())
    .limit(PAST_MAX)
)


class StoredMemory:
    """Reads of verdicts and past incidents; transitions write them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def standings(self, environment: str) -> Mapping[str, Standing]:
        """Return how each cause that was judged has fared; several people's words on one incident count once."""
        return _standings(await self._store.select(_JUDGED.params(environment=environment)))

    async def past(self, environment: str, *, but: str) -> list[Past]:
        """Return closed incidents of an environment, the newest first, without the incident `but`."""
        rows = await self._store.select(_CLOSED.params(environment=environment, but=but))
        if not rows:
            return []
        verdicts = select(VERDICT).where(VERDICT.c.incident_id.in_([row["incident_id"] for row in rows]))
        said = _newest(await self._store.select(verdicts.order_by(VERDICT.c.at.desc(), VERDICT.c.person)))
        return [_past(row, said.get(row["incident_id"])) for row in rows]


def _newest(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the newest verdict on each incident, from rows that are the newest first."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        found.setdefault(row["incident_id"], row)
    return found


def _standings(rows: Iterable[Mapping[str, Any]]) -> dict[str, Standing]:
    by_cause: dict[str, list[Mapping[str, Any]]] = {}
    for row in _newest(rows).values():
        by_cause.setdefault(row["cause"], []).append(row)
    return {
        cause: Standing(
            judged=len(judged),
            right=sum(row["verdict"] == "right" for row in judged),
            said=round(sum(row["confidence"] for row in judged) / len(judged), 3),
        )
        for cause, judged in sorted(by_cause.items())
    }


def _past(row: Mapping[str, Any], said: Mapping[str, Any] | None) -> Past:
    verdict = said["verdict"] if said else ""
    actual = said["actual"] if said and said["actual"] != UNKNOWN else ""
    return Past(
        incident_id=row["incident_id"],
        title=row["title"] or "",
        cause=actual or ("" if verdict == "wrong" else row["cause"] or ""),
        verdict=verdict,
        closed_at=at(row["closed_at"]),
        signs=tuple(orjson.loads(row["signs"])),
    )
