"""Time limits for waits that nearly always end in time, and of which there are thousands a second."""

from __future__ import annotations

import asyncio
from types import TracebackType

GRAIN = 0.05
"""Seconds that a wait may go on beyond its limit."""


class Deadlines:
    """One timer for many waits: `asyncio.timeout` sets one for each, which costs more than a wait that ends at once.

    Of one event loop. `with deadlines.within(seconds):` raises TimeoutError as `async with asyncio.timeout(seconds)`
    does, up to `GRAIN` later.
    """

    def __init__(self) -> None:
        self._waits: dict[_Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> _Wait:
        """Return the limit of one wait of this task; it counts from the beginning of the block."""
        return _Wait(self, seconds)

    def begin(self, wait: _Wait) -> None:
        """Look after a wait."""
        self._waits[wait] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRAIN, self._look)

    def end(self, wait: _Wait) -> None:
        """Forget a wait. The timer runs on; one that finds nothing is the last."""
        del self._waits[wait]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for wait in self._waits:
            wait.look(now)
        self._timer = loop.call_later(GRAIN, self._look) if self._waits else None


class _Wait:
    """One block with a limit."""

    __slots__ = ("_all", "_cancelling", "_due", "_expired", "_seconds", "_task")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._all = deadlines
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a wait with a limit needs a task to be cancelled in")
        self._task = task
        self._cancelling = task.cancelling()
        self._due = asyncio.get_running_loop().time() + self._seconds
        self._all.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._all.end(self)
        if not self._expired:
            return
        # Somebody else who cancels the task as well still gets his way.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def look(self, now: float) -> None:
        """Cancel what runs in the block when it is over its limit."""
        if not self._expired and now >= self._due:
            self._expired = True
            self._task.cancel()
