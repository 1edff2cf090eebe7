"""The control route that works with the bus away: freeze, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.executor.handlers.governor import FREEZE
from shared.errors import RefusedError
from shared.runbooks.decision import verify
from shared.store.model import Incoming
from shared.store.port import Store

VERBS = frozenset({"freeze", "unfreeze"})


def control_routes(store: Store, trusted: Mapping[str, Ed25519PublicKey]) -> list[Route]:
    """Return the routes; the caller wraps them in the service token, which alone freezes nothing."""

    async def freeze(request: Request) -> Response:
        given = _given(await request.body())
        decision = verify(given["decision"], given["signature"], trusted)
        if decision.verb not in VERBS:
            raise RefusedError(f"{decision.verb!r} goes over the bus, not here")
        body = orjson.dumps({**given, "environment": decision.environment})
        meta = {"environment": decision.environment}
        # The nonce names the message: the same bytes again change nothing and get the same answer.
        message = Incoming(f"governor/{decision.environment}", f"freeze/{decision.nonce}", FREEZE, body, meta)
        reply: dict[str, Any] = await store.ask(message)
        if "refused" in reply:
            raise RefusedError(str(reply["refused"]))
        return JSONResponse(reply)

    return [Route("/control/freeze", freeze, methods=["POST"])]


def _given(body: bytes) -> dict[str, str]:
    """Return the signed decision of a request, and nothing else of it."""
    try:
        given = orjson.loads(body)
        return {"decision": str(given["decision"]), "signature": str(given["signature"])}
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise RefusedError("needs a JSON object with `decision` and `signature`") from error
