"""`POST /webhooks/<source>` as raw ASGI: authenticate, make durable, then 202.

An authentic sender never gets a 4xx or 429 (PagerDuty would disable the webhook, Datadog would drop the alert): our
own trouble is 503, and what we cannot understand is kept and answered 202.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import NamedTuple

import orjson
from starlette.types import Receive, Scope, Send

from services.ingest.domain.authentic import Check, Secrets, check_pagerduty, check_standard, check_token, vouch
from services.ingest.entrypoints.body import BODY_MAX, Body, BodyReader, NotReadError, SenderGoneError
from services.ingest.handlers.accept import Accepted
from services.ingest.handlers.keep import Keeper
from services.ingest.handlers.metrics import ANSWERS, AUTHENTICATED
from shared.errors import UnavailableError
from shared.runtime.clock import wall
from shared.runtime.http import AT_ONCE
from shared.runtime.web import FIELDS

log = logging.getLogger("signoff.ingest")

PREFIX = "/webhooks/"
_answers = functools.cache(ANSWERS.labels)
_authenticated = functools.cache(AUTHENTICATED.labels)


class Answer(NamedTuple):
    """One HTTP answer; `receipt` also goes into the header."""

    status: int
    body: Mapping[str, str]
    receipt: str = ""


class Webhooks:
    """The ASGI application."""

    def __init__(self, secrets: Mapping[str, Secrets], keeper: Keeper, bodies: BodyReader) -> None:
        self._secrets = secrets
        self._keeper = keeper
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        source = scope["path"].removeprefix(PREFIX).removesuffix("/")
        try:
            answer = await self._answer(source, scope, receive)
        except SenderGoneError:
            return
        _answers(source if source in self._secrets else "", answer.status).inc()
        body = orjson.dumps(answer.body)
        at_once = scope.get("extensions", {}).get(AT_ONCE)
        if answer.receipt and at_once:
            fields = f"content-type: application/json\r\nsignoff-receipt: {answer.receipt}\r\n"
            await at_once(answer.status, fields.encode(), body)
            return
        headers = [*FIELDS, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if answer.receipt:
            headers.append((b"signoff-receipt", answer.receipt.encode()))
        if answer.status in (413, 503):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, source: str, scope: Scope, receive: Receive) -> Answer:
        secrets = self._secrets.get(source)
        if secrets is None:
            return Answer(404, {"error": f"no source {source[:40]!r}; there are: {', '.join(self._secrets)}"})
        if scope["method"] != "POST":
            return Answer(405, {"error": "a webhook is a POST"})
        if secrets.off:
            return Answer(503, {"error": f"source {source} is off: it has no secret"})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            return await self._authenticated(source, secrets, headers, receive)
        except NotReadError as reason:
            return Answer(503, {"error": f"{reason}, send it again"})

    async def _authenticated(
        self, source: str, secrets: Secrets, headers: Mapping[str, str], receive: Receive
    ) -> Answer:
        if source == "datadog":  # The header alone vouches, so nobody else's body is read.
            voucher = vouch(check_token, secrets, headers, b"")
            body = await self._bodies.read(receive) if voucher else Body(b"", 0)
        else:
            body = await self._bodies.read(receive)
            if body.is_cut:
                return Answer(413, {"error": f"more than {BODY_MAX} bytes: too large to verify its signature"})
            check: Check = check_pagerduty if source == "pagerduty" else check_standard(wall())
            voucher = vouch(check, secrets, headers, body.kept)
        if voucher is None:
            return _refused(source, headers)
        _authenticated(source, voucher.secret).inc()
        return await answer(
            self._keeper, Accepted(source, voucher.environment, headers, body.kept, wall(), body.whole_size)
        )


def _refused(source: str, headers: Mapping[str, str]) -> Answer:
    log.warning("a delivery to %s is not authentic", source)
    hint = "; a simulated run needs the replay secret and its run id" if "signoff-run" in headers else ""
    return Answer(401, {"error": f"not authentic{hint}"})


async def answer(keeper: Keeper, accepted: Accepted) -> Answer:
    """Keep a delivery and say so."""
    try:
        receipt = await keeper.keep(accepted)
    except UnavailableError as error:
        log.warning("a delivery from %s was not kept, the sender is told 503: %s", accepted.source, error)
        return Answer(503, {"error": f"not kept, send it again: {error}"})
    return Answer(202, {"receipt": receipt}, receipt)
