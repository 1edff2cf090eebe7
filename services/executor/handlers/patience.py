"""How long a read is tried: a while, since what is away comes back; not for ever, since people wait for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from services.executor.domain.work import READ_LEASE
from shared.errors import SignoffError, UnavailableError
from shared.store.model import JSON
from shared.store.port import Claimed
from shared.store.worker import Handler, Renew

READ_SECONDS = READ_LEASE - 30.0
"""A worker's handler must have ended 30 s before its lease."""
TRIES = 8
"""The worker's pauses between so many tries add up to a minute."""


class GivenUpError(SignoffError):
    """A system outside did not answer in all tries."""

    reason: ClassVar[str] = "unavailable"


def patient(read: Callable[[Any], Awaitable[JSON]], *, tries: int = TRIES) -> Handler:
    """Return `read` (arguments -> result) as an activity that is tried `tries` times while something is away."""

    async def handle(claimed: Claimed, renew: Renew) -> JSON:
        del renew  # A read changes nothing, so it may happen twice.
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await read(claimed.args)
        except (TimeoutError, UnavailableError) as error:
            what = str(error) or f"no answer within {READ_SECONDS:g} s"
            if claimed.fence < tries:
                raise UnavailableError(what) from error
            raise GivenUpError(f"given up after {tries} tries: {what}") from error

    return handle
