"""The listener of a service: health and metrics for everybody, the rest for who has the service token."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import NotFoundError, RefusedError, UnavailableError

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
"""What browsers are told with every answer, errors too. No page reads from these listeners; the console has its own."""
FIELDS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
"""The same as ASGI has them."""


def with_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a `send` that puts these headers on an answer, in place of those of the same name."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            found = MutableHeaders(scope=message)
            for name, value in headers.items():
                found[name] = value
        await send(message)

    return sent


class StrictHeaders:
    """Puts `HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        await self._app(scope, receive, with_headers(send, HEADERS))


Told = Callable[[], Mapping[str, str]]


def health_routes(problems: Told, ended: Told = dict) -> list[BaseRoute]:
    """Return `/livez` (503 with what only a new start mends), `/readyz` (503 with what is wrong) and `/metrics`."""

    async def alive(_: Request) -> Response:
        found = dict(ended())
        return JSONResponse({"alive": False, "ended": found}, 503) if found else PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        found = dict(problems())
        return JSONResponse({"ready": not found, "problems": found}, 503 if found else 200)

    async def metrics(_: Request) -> Response:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415 -- not needed to start

        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/livez", alive), Route("/readyz", ready), Route("/metrics", metrics)]


class RequireToken:
    """Lets only requests with the bearer token through."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._off = not token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without the token."""
        given = dict(scope["headers"]).get(b"authorization", b"") if scope["type"] == "http" else b""
        if self._off or not hmac.compare_digest(given, self._expected):
            await JSONResponse({"error": "the service token is needed"}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _not_found(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 404)


async def _refused(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 409)


async def _unavailable(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503)


def service_asgi(routes: Sequence[BaseRoute], *, token: str, problems: Told, ended: Told = dict) -> ASGIApp:
    """Return the listener: `routes` behind the token. Errors of the house become 404, 409 and 503."""
    guarded = RequireToken(
        Starlette(
            routes=list(routes),
            exception_handlers={
                NotFoundError: _not_found,
                RefusedError: _refused,
                UnavailableError: _unavailable,
            },
        ),
        token,
    )
    return StrictHeaders(Starlette(routes=[*health_routes(problems, ended), Mount("/", guarded)]))
