"""What uvicorn lacks: a deadline and a size for the head of a request, and an order in which a crowd gives way.

It also puts the strict headers on every answer, whoever gives it. Bodies are the application's: it knows what it waits
for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from itertools import chain
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from starlette.responses import PlainTextResponse
from starlette.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from shared.runtime.web import FIELDS, HEADERS

HEAD_SECONDS = 5.0
"""From the connection, or from the first byte of a later request, to the end of the head."""
HEAD_MAX = 16 * 1024
"""Bytes of a request line with all headers."""
FIELDS_MAX = 100
CROWD = 2
"""One in so many of the connections at which uvicorn refuses is where those that wait begin to give way."""

_STRICT_TEXT = b"".join(b"%b: %b\r\n" % field for field in FIELDS)
_TOO_LARGE = PlainTextResponse("the headers are too large\n", 431, headers={"connection": "close"})

_receiving: WeakKeyDictionary[ServerState, dict[BoundedProtocol, None]] = WeakKeyDictionary()
"""Of each server the connections that wait for a request or the rest of one, the longest wait first."""


def _last(status: int, text: str = "") -> bytes:
    """Return an answer before the application, after which the connection ends."""
    ours = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text)), "Connection": "close"}
    fields = "".join(f"{name}: {value}\r\n" for name, value in {**HEADERS, **ours}.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{fields}\r\n{text}".encode("ascii")


class Answer(Protocol):
    """How a request that was taken whole is answered, once and from the event loop."""

    def __call__(self, status: int, fields: bytes, body: bytes, *, close: bool = False) -> None:
        """`fields` are whole lines of the head, beside the strict ones and the length. `close` ends the connection."""


Take = Callable[[Scope, bytes, Answer], bool]
"""The attribute `take` of an application that is spared a task where it can be.

It is called with a POST that came in one piece and may return False: then nothing has happened and the application is
called as ASGI has it. Else it answers when it likes.
"""


class StrictCycle(RequestResponseCycle):
    """One request. Its answer has the strict headers, where it does not say otherwise, also one that uvicorn gives."""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            fields = list(message.get("headers", ()))
            given = {name.lower() for name, _ in fields}
            message = {**message, "headers": [*fields, *(field for field in FIELDS if field[0] not in given)]}
        await super().send(message)

    def answer(self, status: int, fields: bytes, body: bytes, *, close: bool = False) -> None:
        """Answer a POST as the two messages of ASGI do, in one write and without looking through each header."""
        if self.disconnected:
            return
        self.keep_alive = self.keep_alive and not close
        self.response_started = self.response_complete = True
        end = b"content-length: %d\r\n\r\n" if self.keep_alive else b"connection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[status], _STRICT_TEXT, fields, end % len(body), body)))
        if not self.keep_alive:
            self.transport.close()
        on_response, self.on_response = self.on_response, _nothing  # Else request and connection keep each other alive.
        on_response()


def _nothing() -> None:
    """Do nothing."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose next request does not come in time, and refuses heads that are too large.

    When a crowd of connections comes, the one that has waited longest without a whole request gives way to the new one:
    who opens thousands and sends nothing pushes out only such as himself, since an honest request is whole at once.
    """

    _receiving: dict[BoundedProtocol, None]
    _takes: Any
    """The application, if it has a `take`."""
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_size = 0
    _parsing = False
    _begun: StrictCycle | None = None
    """A request that began in what is being parsed: perhaps its end is there too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._takes = self.app if hasattr(self.app, "take") else None
        self._limit()
        self._receiving = _receiving.setdefault(self.server_state, {})
        self._receive()
        limit = self.limit_concurrency
        if limit is not None and len(self.connections) > limit // CROWD:
            longest = next(iter(self._receiving))
            del self._receiving[longest]
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit()
        self._receiving.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head_size += len(data)
        self._parsing = True
        super().data_received(data)
        self._parsing = False
        if self._begun is not None:
            self._begin(self._begun)
        # Most requests come in one piece, and then there is nothing to wait for. What still comes of a body that was
        # answered before its end has no more time than a head.
        if self._deadline is None and (self._head_size if self._in_head else self.cycle.response_complete):
            self._limit()
        if self._in_head and self._head_size > HEAD_MAX and not self.transport.is_closing():
            self.transport.write(_last(431))
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unlimit()
        size = len(self.url) + sum(map(len, chain.from_iterable(self.headers)))
        if size <= HEAD_MAX and len(self.headers) <= FIELDS_MAX:
            super().on_headers_complete()
            return
        answering, self.app = self.app, _TOO_LARGE
        try:
            super().on_headers_complete()
        finally:
            self.app = answering

    def send_400_response(self, msg: str) -> None:
        self.transport.write(_last(400, msg))
        self.transport.close()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:  # noqa: ANN401 -- as uvicorn declares them
        cycle.__class__ = StrictCycle  # uvicorn names its own class and has no place where another could be given.
        # Who does not read its answers has to wait, and only a task can.
        if self._parsing and app is self._takes and not self.flow.write_paused:
            self._begun = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _begin(self, cycle: StrictCycle) -> None:
        self._begun = None
        whole = not cycle.more_body and cycle.scope["method"] == "POST"
        if not whole or not self._takes.take(cycle.scope, bytes(cycle.body), cycle.answer):
            super()._start_asgi_task(cycle, self._takes)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head_size = 0
        self._receiving.pop(self, None)
        if self.cycle.response_complete:  # Then uvicorn's timer for an idle connection is gone already.
            self._unlimit()
            self._limit()
            self._receive()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._receive()

    def _receive(self) -> None:
        """Stand at the end of those that wait."""
        self._receiving.pop(self, None)
        self._receiving[self] = None

    def _limit(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _unlimit(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
