"""`POST /webhooks/<source>` as raw ASGI: authenticate, make durable, then 202.

An authentic sender never gets a 4xx or 429 (PagerDuty would disable the webhook, Datadog would drop the alert): our
own trouble is 503, and what we cannot understand is kept and answered 202.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import orjson
from starlette.types import Receive, Scope, Send

from services.ingest.domain.authentic import (
    Check,
    Secrets,
    Voucher,
    check_pagerduty,
    check_standard,
    check_token,
    vouch,
)
from services.ingest.entrypoints.body import BODY_MAX, Body, BodyReader, NotReadError, SenderGoneError
from services.ingest.handlers.accept import Accepted
from services.ingest.handlers.keep import Keeper
from services.ingest.handlers.metrics import ANSWERS, AUTHENTICATED
from shared.errors import UnavailableError
from shared.runtime.clock import wall
from shared.runtime.http import Answer as Say
from shared.runtime.web import FIELDS

log = logging.getLogger("signoff.ingest")

PREFIX = "/webhooks/"
CLOSING = (413, 500, 503)
"""After these the connection ends, and after a 401 whose body nobody will read if it is large."""
_answers = functools.cache(ANSWERS.labels)
_authenticated = functools.cache(AUTHENTICATED.labels)


class Answer(NamedTuple):
    """One HTTP answer; `receipt` also goes into the header."""

    status: int
    body: Mapping[str, str]
    receipt: str = ""


class Webhooks:
    """The ASGI application, and `take` for what comes in one piece."""

    def __init__(self, secrets: Mapping[str, Secrets], keeper: Keeper, bodies: BodyReader) -> None:
        self._secrets = secrets
        self._keeper = keeper
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        source = _source(scope)
        try:
            answer = await self._answer(source, scope, receive)
        except SenderGoneError:
            return
        _answers(source if source in self._secrets else "", answer.status).inc()
        body = orjson.dumps(answer.body)
        headers = [*FIELDS, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if answer.receipt:
            headers.append((b"signoff-receipt", answer.receipt.encode()))
        if answer.status in CLOSING or (answer.status == HTTPStatus.UNAUTHORIZED and _is_large(scope)):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def take(self, scope: Scope, body: bytes, say: Say) -> bool:
        """Keep an authentic delivery that came in one piece, and answer it; leave all else to the application."""
        source = _source(scope)
        secrets = self._secrets.get(source)
        if secrets is None or len(body) > BODY_MAX:
            return False
        headers = _headers(scope)
        voucher = vouch(_check(source), secrets, headers, body)
        if voucher is None:
            return False
        receipt = self._keep(source, voucher, headers, Body(body, len(body)))
        receipt.add_done_callback(functools.partial(_tell, source, say))
        return True

    async def _answer(self, source: str, scope: Scope, receive: Receive) -> Answer:
        secrets = self._secrets.get(source)
        if secrets is None:
            return Answer(404, {"error": f"no source {source[:40]!r}; there are: {', '.join(self._secrets)}"})
        if scope["method"] != "POST":
            return Answer(405, {"error": "a webhook is a POST"})
        if secrets.off:
            return Answer(503, {"error": f"source {source} is off: it has no secret"})
        try:
            return await self._authenticated(source, secrets, _headers(scope), receive)
        except NotReadError as reason:
            return Answer(503, {"error": f"{reason}, send it again"})

    async def _authenticated(
        self, source: str, secrets: Secrets, headers: Mapping[str, str], receive: Receive
    ) -> Answer:
        if source == "datadog":  # The header alone vouches, so nobody else's body is read.
            voucher = vouch(check_token, secrets, headers, b"")
            body = await self._bodies.read(receive) if voucher else Body(b"", 0)
        else:
            body = await self._bodies.read(receive, is_known=False)
            if body.is_cut:
                return Answer(413, {"error": f"more than {BODY_MAX} bytes: too large to verify its signature"})
            voucher = vouch(_check(source), secrets, headers, body.kept)
        if voucher is None:
            return _refused(source, headers)
        return await told(source, self._keep(source, voucher, headers, body))

    def _keep(self, source: str, voucher: Voucher, headers: Mapping[str, str], body: Body) -> asyncio.Future[str]:
        _authenticated(source, voucher.secret).inc()
        return self._keeper.keep(
            Accepted(source, voucher.environment, headers, body.kept, self._keeper.now(), body.whole_size)
        )


def _source(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(PREFIX).removesuffix("/")


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _is_large(scope: Scope) -> bool:
    """Say whether a body is larger than any that is kept, or does not say how large it is."""
    return int(_headers(scope).get("content-length", BODY_MAX + 1)) > BODY_MAX


def _check(source: str) -> Check:
    if source == "datadog":
        return check_token
    return check_pagerduty if source == "pagerduty" else check_standard(wall())


def _refused(source: str, headers: Mapping[str, str]) -> Answer:
    log.warning("a delivery to %s is not authentic", source)
    hint = "; a simulated run needs the replay secret and its run id" if "signoff-run" in headers else ""
    return Answer(401, {"error": f"not authentic{hint}"})


async def told(source: str, receipt: asyncio.Future[str]) -> Answer:
    """Return the answer to a delivery once it is kept or not."""
    with contextlib.suppress(UnavailableError):
        await receipt
    return _answer_to(source, receipt)


def _answer_to(source: str, receipt: asyncio.Future[str]) -> Answer:
    match receipt.exception():
        case None:
            return Answer(202, {"receipt": receipt.result()}, receipt.result())
        case UnavailableError() as error:
            log.warning("a delivery from %s was not kept, the sender is told 503: %s", source, error)
            return Answer(503, {"error": f"not kept, send it again: {error}"})
        case error:
            log.error("a delivery from %s was not kept, the sender is told 500", source, exc_info=error)
            return Answer(500, {"error": "internal server error"})


def _tell(source: str, say: Say, receipt: asyncio.Future[str]) -> None:
    answer = _answer_to(source, receipt)
    _answers(source, answer.status).inc()
    fields = b"content-type: application/json\r\n"
    if answer.receipt:
        fields += f"signoff-receipt: {answer.receipt}\r\n".encode()
    say(answer.status, fields, orjson.dumps(answer.body), close=answer.status in CLOSING)
