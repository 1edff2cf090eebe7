"""What uvicorn lacks: a deadline for the head of a request, also when a connection never sends one, and its size.

Bodies are the application's: it knows what it waits for.
"""

from __future__ import annotations

import asyncio

from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 5.0
"""From the connection, or from the first byte of a later request, to the end of the head."""
HEAD_MAX = 16 * 1024
"""Bytes of a request line with all headers."""
FIELDS_MAX = 100

_TOO_LARGE = PlainTextResponse("the headers are too large\n", 431, headers={"connection": "close"})
_TOO_LARGE_BYTES = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections whose next request does not come in time, and refuses heads that are too large."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self._limit()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # What still comes of a body that was answered before its end has no more time than a head.
        if self._deadline is None and (self._in_head or self.cycle.response_complete):
            self._limit()
        self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > HEAD_MAX and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE_BYTES)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unlimit()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size <= HEAD_MAX and len(self.headers) <= FIELDS_MAX:
            super().on_headers_complete()
            return
        answering, self.app = self.app, _TOO_LARGE
        try:
            super().on_headers_complete()
        finally:
            self.app = answering

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head_size = 0
        if self.cycle.response_complete:  # Then uvicorn's timer for an idle connection is gone already.
            self._unlimit()
            self._limit()

    def _limit(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _unlimit(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
