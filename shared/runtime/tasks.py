"""How background tasks end."""

from __future__ import annotations

import asyncio
import contextlib


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
