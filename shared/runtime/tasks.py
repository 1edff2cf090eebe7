"""How background tasks begin and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("signoff")


def begin_task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run work beside everything else. If it fails, that is logged at once: whoever stops it may do so in a week."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_failure)
    return task


async def stop_tasks(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel tasks and wait until they have ended. None stands for one that was never started.

    Raises what a task failed with before it was cancelled.
    """
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    for task in begun:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def why_ended(task: asyncio.Task[None] | None) -> str | None:
    """Return how work that goes on until it is stopped has ended by itself; None while it goes on or was not begun."""
    if task is None or not task.done():
        return None
    error = None if task.cancelled() else task.exception()
    how = "cancelled" if task.cancelled() else type(error).__name__ if error else "returned"
    return f"has ended ({how}), the log says why; only a new start of the process brings it back"


def _tell_failure(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.critical("a background task has ended: %s", task.get_coro(), exc_info=error)
