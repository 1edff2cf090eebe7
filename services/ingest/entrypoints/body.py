"""The body of a request: all of it or its prefix, within a time, whatever the sender does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import Receive

BODY_MAX = 1024 * 1024
"""Bytes of a body that are kept."""
DRAIN_MAX = 32 * 1024 * 1024
"""Bytes read of one body; what follows is not waited for. A sender that still writes might miss an early answer."""


@dataclass(frozen=True, slots=True)
class Body:
    """The first bytes of a body and the size of all that was read of it."""

    kept: bytes
    whole_size: int

    @property
    def is_cut(self) -> bool:
        """Whether there was more than is kept."""
        return self.whole_size > len(self.kept)


class SenderGoneError(Exception):
    """The sender closed the connection before the body was complete."""


class LateError(Exception):
    """The body did not arrive in time."""


async def read_body(receive: Receive, *, seconds: float) -> Body:
    """Return a body, cut when it is too large. Raises SenderGoneError, and LateError when what is kept is missing."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more and size <= DRAIN_MAX:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise SenderGoneError
                part = message.get("body", b"")
                if size < BODY_MAX:
                    parts.append(part[: BODY_MAX - size])
                size += len(part)
                more = message.get("more_body", False)
    except TimeoutError as error:
        if size <= BODY_MAX:
            raise LateError from error
    return Body(b"".join(parts), size)
