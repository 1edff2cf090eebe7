"""Bodies of the API: JSON and nothing near it, so that two readers can never understand one of them differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class StrictRoute(APIRoute):
    """Answers 422 to a body that is almost JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind a look at the body."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            body = await request.body()
            try:
                check_json(body)
            except (ValueError, RecursionError) as error:
                raise RequestValidationError([{"loc": ("body",), "msg": f"no JSON: {error}"}]) from error
            return await handle(request)

        return strict


def check_json(body: bytes) -> None:
    """Raise ValueError or RecursionError for a body that is neither empty nor JSON in UTF-8 with each name once."""
    if body:
        orjson.loads(body)  # Knows no NaN and no half characters, and has a limit of depth.
        json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found
