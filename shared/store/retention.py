"""How long the store keeps what only the store needs, and the task that removes it in small steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from shared.errors import UnavailableError

DAY = 86_400.0
SEEN_FOR = 37 * DAY
"""Topic retention (30 d) and a week: every reader of a topic takes an id once."""
REPLY_FOR = DAY
"""A command sent again within this time gets the same reply."""
DEAD_FOR = 400 * DAY
"""As incidents and audit."""
CHANGES_KEPT = 100_000
"""A reader of the change feed that is further behind starts over."""

PAUSE = 60.0
STEP_PAUSE = 0.05


async def keep_small(step: Callable[[], Awaitable[int]], *, pause: float = PAUSE) -> None:
    """Run retention for ever: steps with a short pause while there is something to remove, then rest `pause` seconds.

    `step` removes one small step and returns how many rows went.
    """
    gone = 0
    while True:
        await asyncio.sleep(STEP_PAUSE if gone else pause)
        try:
            gone = await step()
        except UnavailableError:
            gone = 0
