"""Run activities: claim, call the handler, deliver its result. What happens when a handler raises is decided here.

`repeatable` work: a retryable SignoffError gives it back and it is claimed again after a growing pause; any other error
is its result, `{"error": {"reason", "detail"}}`. `once` work: a SignoffError that is not retryable is its result, since
the handler knows that nothing happened; after any other exception nobody knows what happened, so there is no result and
the store tells `activity.lost` when the lease ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import orjson

from shared.errors import SignoffError, UnavailableError
from shared.runtime.clock import monotonic
from shared.runtime.tasks import begin_task, why_ended
from shared.store.failpoints import reach
from shared.store.model import JSON
from shared.store.port import Claimed, Store
from shared.telemetry.redacting import Redactor

IDLE = 1.0
"""Seconds between two looks for work when nothing rings."""
RETRY_FIRST, RETRY_MAX = 0.5, 60.0
YOUNG = 0.25
"""The part of its lease in which `repeatable` work is ours without a look."""
STOP_LIMIT = 10.0
"""Seconds that `stop` waits for handlers before it cancels them; their leases end, or were for `once` work anyway."""
DETAIL_MAX = 500

_LOG = logging.getLogger(__name__)

Renew = Callable[[], Awaitable[bool]]
"""Extend the lease. False: it is no longer ours, make no call. The last thing before bytes go out."""
Handler = Callable[[Claimed, Renew], Awaitable[JSON]]
"""Does the work of one activity and returns its result. Must stop by itself 30 s before its lease ends."""


class ActivityWorker:
    """Runs the activities of one store whose names are in `handlers`, at most `concurrency` at a time.

    What they raise may repeat what a vendor said: `redactor` takes secrets out before an aggregate is told.
    """

    def __init__(
        self, store: Store, handlers: Mapping[str, Handler], concurrency: int = 8, *, redactor: Redactor | None = None
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._concurrency = concurrency
        self._redactor = redactor or Redactor()
        self._running: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._freed = asyncio.Event()

    def start(self) -> None:
        """Begin to claim work."""
        self._loop = begin_task(self._claim_for_ever())

    async def stop(self) -> None:
        """Claim no more, wait a little for what runs, cancel the rest. Idempotent."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.wait([self._loop])
        self._loop = None
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=STOP_LIMIT)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def ended(self) -> str | None:
        """Return how it has ended by itself, None while it claims work."""
        return why_ended(self._loop)

    async def _claim_for_ever(self) -> None:
        while True:
            free, asked = self._concurrency - len(self._running), monotonic()
            try:
                claimed = await self._store.claim(limit=free, names=self._handlers) if free else []
            except UnavailableError:
                await asyncio.sleep(IDLE)
                continue
            for one in claimed:
                reach("activity.after_claim")
                task = begin_task(self._run(one, asked))
                self._running.add(task)
                task.add_done_callback(self._done)
            if not free:
                self._freed.clear()
                await self._freed.wait()
            elif len(claimed) < free:
                await self._wait()

    async def _wait(self) -> None:
        try:
            await self._store.wait_activities(IDLE, names=self._handlers)
        except UnavailableError:
            await asyncio.sleep(IDLE)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._freed.set()

    async def _run(self, claimed: Claimed, asked: float) -> None:
        async def renew() -> bool:
            # Nobody else can have claimed it yet. `once` work is asked for all the same: nothing may stand against it.
            is_young = claimed.kind == "repeatable" and monotonic() - asked < YOUNG * claimed.lease
            return is_young or await self._store.renew(claimed)

        try:
            result = await self._handlers[claimed.name](claimed, renew)
            orjson.dumps(result)
        except SignoffError as error:
            if not error.retryable:
                await self._finish(claimed, self._failure(error.reason, error))
            elif claimed.kind == "repeatable":
                await self._release(claimed)
        except Exception as error:  # noqa: BLE001 -- the activity boundary: a handler's bug must not stop other activities
            _LOG.exception("activity_failed", extra={"activity": claimed.id, "activity_name": claimed.name})
            if claimed.kind == "repeatable":
                await self._finish(claimed, self._failure("bug", error))
        else:
            reach("activity.after_call")
            await self._finish(claimed, result)

    async def _finish(self, claimed: Claimed, result: JSON) -> None:
        """Deliver the result, again and again while the database is away."""
        pause = RETRY_FIRST
        while True:
            try:
                reach("activity.before_finish")
                await self._store.finish(claimed, result)
                reach("activity.after_finish")
            except UnavailableError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MAX)
            else:
                return

    async def _release(self, claimed: Claimed) -> None:
        pause = min(RETRY_MAX, RETRY_FIRST * 2 ** min(claimed.fence - 1, 10))
        try:
            await self._store.release(claimed, delay=pause)
        except UnavailableError:
            return  # The lease ends by itself.

    def _failure(self, reason: str, error: BaseException) -> JSON:
        """Return the result that tells an aggregate of an error. Redacted first: half a secret would not be known."""
        return {"error": {"reason": reason, "detail": self._redactor.text(str(error))[:DETAIL_MAX]}}
