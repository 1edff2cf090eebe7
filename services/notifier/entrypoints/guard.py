"""In front of every route: own host names only, nobody anonymous, nothing changed from elsewhere, strict headers."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.notifier.domain.origin import Place, is_own, is_this_machine, own_path
from services.notifier.entrypoints.explaining import Render
from services.notifier.handlers.signing_in import SigningIn
from services.notifier.ports import Session
from shared.runtime import web

HEALTH = frozenset({"/livez", "/readyz", "/metrics"})
LOGIN = "/login"
STATIC = "/static/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_MAX = 64 * 1024
SESSION_OVER = "Your session has ended, and nothing was submitted. Sign in, then open the page again."

HEADERS: Mapping[str, str] = {
    **web.HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not `no-referrer`: browsers then send `Origin: null` with our own forms. To others nothing is told either way.
    "Referrer-Policy": "same-origin",
}


class Guard:
    """Lets a request through with `scope["state"]["session"]` set, or answers it."""

    def __init__(self, app: ASGIApp, place: Place, signing_in: SigningIn, render: Render) -> None:
        self._app = app
        self._render = render
        self._place = place
        self._signing_in = signing_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = await self._refusal(scope, headers)
        await (answer or self._app)(scope, receive, web.with_headers(send, self._headers(scope["path"])))

    def _headers(self, path: str) -> Mapping[str, str]:
        # Pages hold what only the person signed in may see; scripts and styles are checked by their ETag.
        more = {"Cache-Control": "no-cache"} if path.startswith(STATIC) else {}
        secure = {"Strict-Transport-Security": "max-age=31536000"} if self._place.is_secure else {}
        return {**HEADERS, **more, **secure}

    async def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        path, method = scope["path"], scope["method"]
        state = scope.setdefault("state", {})
        state["is_local"] = is_this_machine((scope.get("client") or (None,))[0], headers)
        state["session"] = None
        state["token"] = ""
        if path in HEALTH and method in SAFE:
            return None
        if headers.get("host", "") not in self._place.hosts:
            return PlainTextResponse(f"This host name is not served here; open {self._place.base_url}\n", 421)
        bearer = headers.get("authorization", "").partition("Bearer ")[2]
        if method not in SAFE:
            refused = self._change_refusal(headers, is_bearer=bool(bearer), path=path)
            if refused is not None:
                return refused
        if path.startswith(STATIC) and method in SAFE:
            return None
        state["session"] = await self._session(scope, headers, bearer)
        if path == LOGIN:
            return None
        return self._login_first(scope) if method in SAFE or state["session"] is None else None

    def _change_refusal(self, headers: Mapping[str, str], *, is_bearer: bool, path: str) -> Response | None:
        length = headers.get("content-length", "0" if "transfer-encoding" not in headers else "")
        if not length.isdecimal():
            return _error(path, "a body needs a Content-Length", 411)
        if int(length) > BODY_MAX:
            return _error(path, f"the body is larger than {BODY_MAX} bytes", 413)
        if path.startswith("/api/"):
            # Cookies change nothing here, so that no page in a browser can.
            return None if is_bearer else _error(path, "the API takes changes with a bearer token only", 401)
        return None if is_own(self._place, headers) else _error(path, "this did not come from a page of Signoff", 403)

    async def _session(self, scope: Scope, headers: Mapping[str, str], bearer: str) -> Session | None:
        state = scope["state"]
        token = bearer or _cookie(headers.get("cookie", ""), self._place.cookie)
        if bearer:
            session = await self._signing_in.by_bearer(bearer, is_local=state["is_local"])
        else:
            session = await self._signing_in.by_cookie(token) if token else None
        if session is None or (session.via.endswith(":local") and not state["is_local"]):
            return None
        state["token"] = token
        return session

    def _login_first(self, scope: Scope) -> Response | None:
        """Send who must sign in, and who brings a login, to the login page; programs are told."""
        path, query = scope["path"], parse_qs(scope["query_string"].decode("latin-1"))
        login = query.get("login", [""])[0]
        if scope["state"]["session"] is not None and not login:
            return None
        if path.startswith("/api/"):
            return None if scope["state"]["session"] else _error(path, "sign in first: `signoff login`", 401)
        if scope["method"] not in SAFE:
            # A form that was open when its session ended: who sent it must not believe that it counts.
            return HTMLResponse(self._render("Sign in first", SESSION_OVER), 401)
        onward = {"next": own_path(path)} | ({"login": login} if login else {})
        return RedirectResponse(f"{LOGIN}?{urlencode(onward)}", 303)


def _error(path: str, text: str, status: int) -> Response:
    if path.startswith("/api/"):
        return JSONResponse({"error": text}, status)
    return PlainTextResponse(text + "\n", status)


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
