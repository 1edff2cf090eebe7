"""`POST /webhooks/<source>` as raw ASGI: authenticate, make durable, then 202.

An authentic sender never gets a 4xx or 429 (PagerDuty would disable the webhook, Datadog would drop the alert): our
own trouble is 503, and what we cannot understand is kept and answered 202.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from starlette.types import Receive, Scope, Send

from services.ingest.domain.authentic import (
    Check,
    Secrets,
    check_pagerduty,
    check_standard,
    check_token,
    environment_of,
)
from services.ingest.handlers.accept import Accepted
from services.ingest.handlers.keep import Keeper
from shared.errors import UnavailableError
from shared.runtime.clock import wall

BODY_MAX = 1024 * 1024
"""Bytes of a body that are kept."""
DRAIN_MAX = 32 * 1024 * 1024
"""Bytes read from an authentic sender; what follows is not waited for."""
PREFIX = "/webhooks/"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `receipt` also goes into the header."""

    status: int
    body: Mapping[str, str]
    receipt: str = ""


class SenderGoneError(Exception):
    """The sender closed the connection before the body was complete."""


def is_replayed(headers: Mapping[str, str]) -> bool:
    """Say whether a request claims to belong to a simulated run."""
    return "signoff-run" in headers


class Webhooks:
    """The ASGI application."""

    def __init__(self, secrets: Mapping[str, Secrets], keeper: Keeper, *, body_seconds: float) -> None:
        self._secrets = secrets
        self._keeper = keeper
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._answer(scope, receive)
        except SenderGoneError:
            return
        body = orjson.dumps(answer.body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if answer.receipt:
            headers.append((b"signoff-receipt", answer.receipt.encode()))
        if answer.status in (408, 413, 503):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        source = scope["path"].removeprefix(PREFIX)
        secrets = self._secrets.get(source)
        if secrets is None:
            return Answer(404, {"error": f"no source {source[:40]!r}; there are: {', '.join(self._secrets)}"})
        if scope["method"] != "POST":
            return Answer(405, {"error": "a webhook is a POST"})
        if secrets.off:
            return Answer(503, {"error": f"source {source} is off: it has no secret"})
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            async with asyncio.timeout(self._body_seconds):
                return await self._authenticated(source, secrets, headers, receive)
        except TimeoutError:
            return Answer(408, {"error": "the body did not arrive in time"})

    async def _authenticated(
        self, source: str, secrets: Secrets, headers: Mapping[str, str], receive: Receive
    ) -> Answer:
        if source == "datadog":
            environment = environment_of(check_token, secrets, headers, b"")
            if environment is None:
                return _refused(headers)
            body, size = await read_body(receive, keep=BODY_MAX, limit=DRAIN_MAX)
            return await self._keep(source, environment, headers, body, size)
        body, size = await read_body(receive, keep=BODY_MAX, limit=BODY_MAX)
        if size > BODY_MAX:
            return Answer(413, {"error": f"more than {BODY_MAX} bytes: too large to verify its signature"})
        check: Check = check_pagerduty if source == "pagerduty" else check_standard(wall())
        environment = environment_of(check, secrets, headers, body)
        return _refused(headers) if environment is None else await self._keep(source, environment, headers, body, size)

    async def _keep(self, source: str, environment: str, headers: Mapping[str, str], body: bytes, size: int) -> Answer:
        return await answer(self._keeper, Accepted(source, environment, headers, body, wall(), size))


def _refused(headers: Mapping[str, str]) -> Answer:
    hint = "; a simulated run needs the replay secret and its run id" if is_replayed(headers) else ""
    return Answer(401, {"error": f"not authentic{hint}"})


async def answer(keeper: Keeper, accepted: Accepted) -> Answer:
    """Keep a delivery and say so."""
    try:
        receipt = await keeper.keep(accepted)
    except UnavailableError as error:
        return Answer(503, {"error": f"not kept, send it again: {error}"})
    return Answer(202, {"receipt": receipt}, receipt)


async def read_body(receive: Receive, *, keep: int, limit: int) -> tuple[bytes, int]:
    """Return the first `keep` bytes and the size read, which is the whole size unless it passed `limit`.

    Raises SenderGoneError.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise SenderGoneError
        part = message.get("body", b"")
        if size < keep:
            parts.append(part[: keep - size])
        size += len(part)
        if size > limit or not message.get("more_body", False):
            return b"".join(parts), size
