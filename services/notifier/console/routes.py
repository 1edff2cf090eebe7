"""The console's routes. GET shows and changes nothing; POST hands over what a person said and answers 303."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from services.notifier.console.pages import Pages, Show
from services.notifier.console.rendering import FOLDER, frame
from services.notifier.domain.origin import Place, own_path
from services.notifier.handlers.acting import OF_APPROVAL, OF_EXECUTION, OF_STEP, Desk
from services.notifier.handlers.signing_in import SigningIn
from services.notifier.ports import Changes, Session
from shared.errors import RefusedError

REQUESTS = frozenset({"acknowledge", "note", "close", "reopen", "investigate"})


@dataclass(frozen=True, slots=True)
class Console:
    """What people open in a browser."""

    pages: Pages
    changes: Changes
    desk: Desk
    signing_in: SigningIn
    place: Place
    session_seconds: int

    def routes(self) -> list[BaseRoute]:
        """Return all routes."""
        return [
            Route("/", self._incidents),
            Route("/i/{incident}", self._incident),
            Route("/a/{approval}", self._approval),
            Route("/live", self._live_incidents),
            Route("/live/i/{incident}", self._live_incident),
            Route("/live/a/{approval}", self._live_approval),
            Route("/i/{incident}/requests", self._request, methods=["POST"]),
            Route("/i/{incident}/questions", self._ask, methods=["POST"]),
            Route("/i/{incident}/verdicts", self._judge, methods=["POST"]),
            Route("/i/{incident}/decisions", self._decide, methods=["POST"]),
            Route("/login", self._login),
            Route("/login", self._accept, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]

    # what people read
    async def _incidents(self, request: Request) -> Response:
        return await self._page(request, self.pages.incidents(request.query_params.get("environment", "")))

    async def _incident(self, request: Request) -> Response:
        return await self._page(request, self.pages.incident(request.path_params["incident"]))

    async def _approval(self, request: Request) -> Response:
        return await self._page(request, self.pages.approval(request.path_params["approval"]))

    async def _page(self, request: Request, show: Show) -> Response:
        return HTMLResponse(self.pages.whole(await show(request.state.session)))

    async def _live_incidents(self, request: Request) -> Response:
        return await self._stream(request, self.pages.incidents(request.query_params.get("environment", "")))

    async def _live_incident(self, request: Request) -> Response:
        return await self._stream(request, self.pages.incident(request.path_params["incident"]))

    async def _live_approval(self, request: Request) -> Response:
        return await self._stream(request, self.pages.approval(request.path_params["approval"]))

    async def _stream(self, request: Request, show: Show) -> Response:
        """Stream whole fragments, the first at once: a frame that is lost or comes twice does no harm."""
        session: Session = request.state.session
        token: str = request.state.token
        place = await self.changes.newest()  # before the page is read: what changes from here on is in it or follows
        page = await show(session)

        async def frames() -> AsyncIterator[bytes]:
            sent = self.pages.fragment(page)
            yield frame(sent, 0)
            async for found in self.changes.follow(place):
                if await self.signing_in.by_cookie(token) is None:
                    return
                if found and page.feed and all(feed != page.feed for _, feed in found):
                    continue
                newest = self.pages.fragment(await show(session))
                yield frame(newest, found[-1][0] if found else 0) if newest != sent else b": still here\n\n"
                sent = newest

        return StreamingResponse(frames(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    # what people say
    async def _request(self, request: Request) -> Response:
        form, incident = await self._form(request), request.path_params["incident"]
        verb = _text(form, "verb")
        if verb not in REQUESTS:
            raise RefusedError(f"{verb!r} is nothing to ask for here")
        arguments = {"text": _text(form, "text")} if verb == "note" else {}
        await self.desk.request(request.state.session, incident, verb, arguments)
        return self._back(f"/i/{incident}")

    async def _ask(self, request: Request) -> Response:
        form, incident = await self._form(request), request.path_params["incident"]
        await self.desk.question(request.state.session, incident, _text(form, "text"))
        return self._back(f"/i/{incident}")

    async def _judge(self, request: Request) -> Response:
        form, incident = await self._form(request), request.path_params["incident"]
        await self.desk.verdict(request.state.session, incident, _text(form, "verdict"), _text(form, "cause"))
        return self._back(f"/i/{incident}")

    async def _decide(self, request: Request) -> Response:
        form, incident = await self._form(request), request.path_params["incident"]
        verb = _text(form, "verb")
        if verb not in OF_APPROVAL | OF_EXECUTION:
            raise RefusedError(f"{verb!r} is nothing to decide")
        if verb in OF_APPROVAL and not (_text(form, "subject") and _text(form, "plan_sha256")):
            raise RefusedError("the form does not say which plan was shown; open the page again")
        step = _text(form, "step")
        await self.desk.decide(
            request.state.session,
            incident,
            verb,
            subject=_text(form, "subject"),
            plan_sha256=_text(form, "plan_sha256"),
            arguments={"reason": _text(form, "reason")} | ({"step": step} if step and verb in OF_STEP else {}),
        )
        return self._back(f"/a/{_text(form, 'subject')}" if verb in OF_APPROVAL else f"/i/{incident}")

    async def _form(self, request: Request) -> FormData:
        """Return the form of a page of this session. Raises RefusedError for any other."""
        form = await request.form(max_files=0, max_fields=20)
        session: Session = request.state.session
        given = _text(form, "csrf")
        if not session.csrf or not hmac.compare_digest(given.encode(), session.csrf.encode()):
            raise RefusedError("this form is not of your session; open the page again")
        return form

    def _back(self, path: str) -> Response:
        return RedirectResponse(own_path(path), 303)

    # who people are
    async def _login(self, request: Request) -> Response:
        """Ask whether to continue as the person of a login link. Looking uses nothing up."""
        token, onward = request.query_params.get("login", ""), own_path(request.query_params.get("next", "/"))
        invited = await self.signing_in.invited(token) if token else None
        session: Session | None = request.state.session
        context = {
            "title": "Sign in",
            "invited": invited,
            "login": token,
            "next": onward,
            "signed_in": self.signing_in.name(session.person) if session else "",
        }
        return HTMLResponse(self.pages.plain("login.html", context))

    async def _accept(self, request: Request) -> Response:
        if not request.state.is_local:
            raise RefusedError("login links work on the machine that Signoff runs on only")
        form = await request.form(max_files=0, max_fields=5)
        token = await self.signing_in.accept(_text(form, "login"))
        answer = RedirectResponse(own_path(_text(form, "next") or "/"), 303)
        answer.set_cookie(
            self.place.cookie,
            token,
            max_age=self.session_seconds,
            path="/",
            secure=self.place.is_secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _sign_out(self, request: Request) -> Response:
        await self._form(request)
        await self.signing_in.end(request.state.token, request.state.session)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(self.place.cookie, path="/", secure=self.place.is_secure, httponly=True, samesite="lax")
        return answer


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""
