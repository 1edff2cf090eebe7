"""Errors in one form: JSON for programs, a page for people, never a stack trace."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from shared.errors import NotFoundError, RefusedError, SignoffError, UnavailableError

_STATUS: tuple[tuple[type[SignoffError], int, str], ...] = (
    (NotFoundError, 404, "Not found"),
    (RefusedError, 409, "Refused"),
    (UnavailableError, 503, "Not available now"),
    (SignoffError, 500, "Something went wrong"),
)
_NOT_FOUND = 404

Render = Callable[[str, str], str]
"""Returns a page with this title and text."""


def explain(app: FastAPI, render: Render) -> None:
    """Give every error of `app` an answer."""

    def answer(request: Request, status: int, title: str, text: str) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": text}, status)
        return HTMLResponse(render(title, text), status)

    async def house(request: Request, error: Exception) -> Response:
        status, title = next((status, title) for kind, status, title in _STATUS if isinstance(error, kind))
        return answer(request, status, title, str(error))

    async def invalid(request: Request, error: Exception) -> Response:
        first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": ""}
        place = ".".join(str(part) for part in first["loc"])
        return answer(request, 422, "Not understood", f"{place}: {first['msg']}")

    async def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        title = "Not found" if status == _NOT_FOUND else "Not possible"
        return answer(request, status, title, f"{request.method} {request.url.path} is not served here")

    async def bug(request: Request, error: Exception) -> Response:
        del error
        return answer(request, 500, "Something went wrong", "This is a bug; the log of the notifier has more.")

    app.add_exception_handler(SignoffError, house)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, bug)
