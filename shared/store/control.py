"""Routes for the care of a store, the same in every service: dead letters, parked keys, and putting them back."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import column, select, table
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.errors import NotFoundError
from shared.store.port import DeadMessage, Store

_PARKED = table("parked_key", column("topic"), column("key"), column("reason"), column("at"))


def care_routes(store: Store) -> list[Route]:
    """Return the routes; the caller wraps them in the service token."""

    async def listed(_: Request) -> Response:
        return JSONResponse([_shown(store.service, dead) for dead in await store.dead()])

    async def shown(request: Request) -> Response:
        found = await store.dead(request.path_params["message_id"])
        if not found:
            raise NotFoundError(f"no dead message {request.path_params['message_id']!r} in {store.service}")
        body = found[0].body.decode("utf-8", "backslashreplace")
        return JSONResponse(_shown(store.service, found[0]) | {"body": body})

    async def requeued(request: Request) -> Response:
        message_id = request.path_params["message_id"]
        if not await store.requeue(message_id):
            raise NotFoundError(f"no dead message {message_id!r} in {store.service}")
        return JSONResponse({"requeued": message_id})

    async def parked(_: Request) -> Response:
        found = await store.select(select(_PARKED).order_by(_PARKED.c.at))
        return JSONResponse([{"service": store.service, **row} for row in found])

    async def released(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        topic, key = str(asked["topic"]), str(asked["key"])
        named = select(_PARKED.c.key).where(_PARKED.c.topic == topic, _PARKED.c.key == key)
        if not await store.select(named):
            raise NotFoundError(f"no key {key!r} of {topic!r} is parked in {store.service}")
        await store.unpark_key(topic, key)
        return JSONResponse({"released": {"topic": topic, "key": key}})

    return [
        Route("/control/parked-keys", parked),
        Route("/control/parked-keys/release", released, methods=["POST"]),
        Route("/control/dead-letters", listed),
        Route("/control/dead-letters/requeue/{message_id:path}", requeued, methods=["POST"]),
        Route("/control/dead-letters/{message_id:path}", shown),
    ]


def _shown(service: str, dead: DeadMessage) -> dict[str, Any]:
    return {
        "service": service,
        "message_id": dead.id,
        "aggregate": dead.aggregate,
        "type": dead.type,
        "reason": dead.reason,
        "at": dead.at,
    }
