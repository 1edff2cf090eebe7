"""What was normal for the series of each entity, kept in the diagnoser's store."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.dialects.postgresql import insert

from services.diagnoser.adapters.tables import BACKGROUND
from services.diagnoser.domain.sketches import Sketch, Sketches
from shared.store.port import Store

KEY = ("environment", "entity")


class StoredBackgrounds:
    """One row for each entity of an environment."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def seen(self, environment: str, entities: Collection[str]) -> Mapping[str, float]:
        """Return up to which data time entities were looked at."""
        statement = select(BACKGROUND.c.entity, BACKGROUND.c.seen).where(_of(environment, entities))
        return {row["entity"]: row["seen"] for row in await self._store.select(statement)}

    async def find(self, environment: str, entities: Collection[str]) -> Sketches:
        """Return what is known of some entities."""
        rows = await self._store.select(select(BACKGROUND).where(_of(environment, entities)))
        return await asyncio.to_thread(lambda: {row["entity"]: _unpacked(row["data"]) for row in rows})

    async def keep(self, environment: str, sketches: Sketches) -> None:
        """Keep what is known of some entities, unless somebody has looked further meanwhile."""
        if not sketches:
            return
        now = await self._store.now()
        rows = await asyncio.to_thread(lambda: [_row(entity, sketches[entity]) for entity in sorted(sketches)])
        new = insert(BACKGROUND).values([{"environment": environment, "at": now, **row} for row in rows])
        changed = {name: new.excluded[name] for name in ("at", "seen", "data")}
        newer = BACKGROUND.c.seen < new.excluded.seen
        await self._store.execute(new.on_conflict_do_update(index_elements=KEY, set_=changed, where=newer))


def _of(environment: str, entities: Collection[str]) -> ColumnElement[bool]:
    return and_(BACKGROUND.c.environment == environment, BACKGROUND.c.entity.in_(sorted(set(entities))))


def _row(entity: str, sketches: Mapping[str, Sketch]) -> dict[str, Any]:
    told = {name: sketch.model_dump(mode="json") for name, sketch in sketches.items()}
    seen = max(sketch.seen for sketch in sketches.values())
    return {"entity": entity, "seen": seen, "data": zlib.compress(orjson.dumps(told), 6)}


def _unpacked(data: bytes) -> dict[str, Sketch]:
    return {name: Sketch.model_validate(told) for name, told in orjson.loads(zlib.decompress(data)).items()}
