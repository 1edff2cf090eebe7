"""The body of a request: all of it or its prefix, within a time and a room, whatever the sender does."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from starlette.types import Receive

from shared.runtime.deadlines import Deadlines

BODY_MAX = 1024 * 1024
"""Bytes of a body that are kept."""
DRAIN_MAX = 32 * 1024 * 1024
"""Bytes read of one body; what follows is not waited for. A sender that still writes might miss an early answer."""
STRANGER_PAUSE = 0.1
"""Seconds between two reads of what is thrown away of a stranger's: else a few who send as fast as they can leave the
processor to nobody else."""
ROOM = 64 * 1024 * 1024
"""Bytes of all bodies that are being read. Signed ones have to be read before anybody knows who sent them."""


class Body(NamedTuple):
    """The first bytes of a body and the size of all that was read of it."""

    kept: bytes
    whole_size: int

    @property
    def is_cut(self) -> bool:
        """Whether there was more than is kept."""
        return self.whole_size > len(self.kept)


class SenderGoneError(Exception):
    """The sender closed the connection before the body was complete."""


class NotReadError(Exception):
    """The body is not complete; the message says why."""


class BodyReader:
    """Reads bodies, each within `seconds`, all together within `room` bytes."""

    def __init__(self, *, seconds: float, room: int = ROOM) -> None:
        self._seconds = seconds
        self._room = room
        self._deadlines = Deadlines()

    async def read(self, receive: Receive, *, is_known: bool = True) -> Body:
        """Return a body, cut when it is too large; of a sender who `is_known` not yet nothing is kept then.

        Raises SenderGoneError, and NotReadError when it took too much.
        """
        parts: list[bytes] = []
        size = held = 0
        try:
            with self._deadlines.within(self._seconds):
                more = True
                while more and size <= DRAIN_MAX:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise SenderGoneError
                    part = message.get("body", b"")
                    size += len(part)
                    more = message.get("more_body", False)
                    if size > BODY_MAX and not is_known:
                        self._room, held = self._room + held, 0
                        parts.clear()
                        await asyncio.sleep(STRANGER_PAUSE if more else 0)
                        continue
                    part = part[: BODY_MAX - held]
                    if len(part) > self._room:
                        raise NotReadError("too many large bodies come at a time")
                    parts.append(part)
                    held += len(part)
                    self._room -= len(part)
        except TimeoutError as error:
            if size <= BODY_MAX:
                raise NotReadError(f"the body did not come within {self._seconds:g} s") from error
        finally:
            self._room += held
        return Body(b"".join(parts), size)
