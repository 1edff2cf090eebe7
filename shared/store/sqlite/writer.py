"""The writer thread: the only one that changes the database, in group commits.

A group takes the jobs that wait (intake, results of activities, ...), then decides aggregates, urgent ones first, and
commits all of it at once; callers hear of it after the commit. When the database refuses a part for good, the group is
undone and done again with a savepoint for each part, so that only this part fails. What it refuses for now is tried
again for ever, with a growing pause; nothing is lost and no message is blamed.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from shared.errors import ConfigurationError, UnavailableError
from shared.runtime.clock import monotonic
from shared.store.failpoints import reach
from shared.store.model import Lane
from shared.store.sqlite import activities, care, transitions
from shared.store.sqlite.clock import SteadyClock
from shared.store.sqlite.group import Group, keep
from shared.store.sqlite.known import Known
from shared.store.transition import Rules

JOBS_MAX = 256
AGGREGATES_MAX = 64
"""Aggregates of one lane in one group."""
GROUP_BOX = 0.050
"""Seconds after which a group takes no further aggregate whose messages lie in an inbox."""
IDLE_MAX = 60.0
BACKOFF_FIRST, BACKOFF_MAX = 0.02, 1.0
CLOSE_LIMIT = 30.0
"""Seconds `close` waits for the group in hand."""

_NEXT = """select min(d) from (select min(due) d from key_head where lane=0 and due is not null
  union all select min(due) from key_head where lane=1 and due is not null
  union all select min(due) from activity where due is not null and state=1 and kind='once')"""

Work = Callable[[Group], Any]
Step = Callable[[Group, Sequence[tuple[str, int]], float], int]


@dataclass(frozen=True, slots=True)
class Job:
    """One caller's work. `alone` work runs outside a group, in a transaction of its own.

    `light` work may be lost when the machine loses its power, because it is then done again without harm: alone in a
    group, its commit does not wait for the disk. `patient` work waits for one group while there is other work, so that
    what it brings can be decided at once and need not lie in an inbox.
    """

    work: Work
    future: asyncio.Future[Any]
    alone: bool = False
    light: bool = False
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller is told after the commit."""

    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


def _job(group: Group, job: Job) -> Told:
    return Told(job.future, job.work(group))


class Writer:
    """Owns the writing connection. `tell` is called on the event loop with every committed group."""

    def __init__(
        self, connection: sqlite3.Connection, rules: Rules, clock: SteadyClock, tell: Callable[[Group], None]
    ) -> None:
        self.rules = rules
        self.waiting: int = connection.execute(
            "select coalesce(sum(tail-done),0) from key_head where not parked"
        ).fetchone()[0]
        self._numbers = count(
            1 + connection.execute("select coalesce(max(seq),0) from sqlite_sequence where name='outbox'").fetchone()[0]
        )
        self._known = Known()
        self._connection = connection
        self._clock = clock
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._deciding = False
        self._work_waits = False
        self._level = ""
        self._backoff = 0.0
        self._in_hand: list[Job] = []
        self._put_off: list[Job] = []
        self._thread = threading.Thread(target=self._run, name=f"store-{rules.service}", daemon=True)
        self._thread.start()

    def decide(self) -> None:
        """Begin to run transitions and timers."""
        self._deciding = True
        self._jobs.put(None)

    def submit(
        self, work: Work, *, alone: bool = False, light: bool = False, patient: bool = False
    ) -> asyncio.Future[Any]:
        """Run `work` on the writer thread; the future is done when its result is durable, or committed if `light`."""
        future = self._loop.create_future()
        if self._closing.is_set() or not self._thread.is_alive():
            future.set_exception(UnavailableError(f"the store of {self.rules.service} is closed"))
        else:
            self._jobs.put(Job(work, future, alone, light, patient))
        return future

    async def close(self) -> None:
        """Finish the group in hand; whoever still waits is told that the store is closed."""
        self._closing.set()
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, CLOSE_LIMIT)

    def _run(self) -> None:
        pause: float | None = 0.0
        try:
            while not self._closing.is_set():
                self._in_hand = self._let_in(self._collect(0.0 if self._put_off else pause))
                pause = self._turn(self._in_hand)
            self._in_hand = []
        finally:
            # Also after a programming error, which the thread's excepthook prints: nobody may wait for ever.
            died = not self._closing.is_set()
            self._closing.set()
            self._refuse(died=died)
            self._connection.close()

    def _collect(self, pause: float | None) -> list[Job]:
        """Wait up to `pause` seconds (None: for ever) for a job and return all that wait, up to the limit."""
        jobs: list[Job] = []
        with suppress(queue.Empty):
            first = self._jobs.get(timeout=pause) if pause is None or pause > 0 else self._jobs.get_nowait()
            jobs += [first] if first else []
            while len(jobs) < JOBS_MAX:
                job = self._jobs.get_nowait()
                jobs += [job] if job else []
        return jobs

    def _let_in(self, jobs: list[Job]) -> list[Job]:
        """Return the jobs of this group, and put patient ones off for once if work waits without them."""
        ready, self._put_off = self._put_off, []
        if self._work_waits:
            self._put_off = [job for job in jobs if job.patient]
            jobs = [job for job in jobs if not job.patient]
        return ready + jobs

    def _turn(self, jobs: list[Job]) -> float | None:
        """Run one group and return how long to wait for the next."""
        for job in jobs:
            if job.alone:
                self._alone(job)
        jobs = [job for job in jobs if not job.alone]
        try:
            group, told, decided = self._commit_once_or_carefully(jobs)
            pause = self._until_due()
            self._work_waits = pause == 0.0
        except sqlite3.Error as error:
            return self._trouble(jobs, error)
        self._backoff = 0.0
        self.waiting += group.waiting
        if told or decided:
            self._on_loop(lambda: self._settle(told, group))
        return pause

    def _group(self, *, careful: bool = False) -> Group:
        return Group(self._connection, self.rules, self._clock.now(), self._numbers, self._known, careful)

    def _commit_once_or_carefully(self, jobs: list[Job]) -> tuple[Group, list[Told], int]:
        light = bool(jobs) and all(job.light for job in jobs) and not self._work_waits
        decide = self._deciding and not light
        self._sync("normal" if light else "full")
        try:
            group = self._group()
            return group, *self._commit(group, jobs, decide=decide)
        except (sqlite3.IntegrityError, ConfigurationError):
            self._connection.execute("rollback")
            self._known.forget()
            group = self._group(careful=True)
            return group, *self._commit(group, jobs, decide=decide)

    def _sync(self, level: str) -> None:
        """Say how the next commits wait for the disk. SQLite refuses to be told while a transaction is open."""
        if level != self._level:
            self._connection.execute(f"pragma synchronous={level}")
            self._level = level

    def _commit(self, group: Group, jobs: list[Job], *, decide: bool) -> tuple[list[Told], int]:
        """Do everything of one group and commit it; return what callers are told and how much was decided."""
        self._connection.execute("begin immediate")
        decided = activities.lose(group) if decide else 0
        job, step = (self._job, self._one_by_one) if group.careful else (_job, transitions.decide)
        told = [job(group, one) for one in jobs]
        if decide:
            decided += self._decide_lanes(group, step)
        keep(group, *group.pending)
        if jobs or decided:
            reach("store.before_commit")
        self._connection.execute("commit")
        if jobs or decided:
            reach("store.after_commit")
        return told, decided

    def _decide_lanes(self, group: Group, step: Step) -> int:
        """Decide what is due, and what comes of it for siblings, as long as there is room in the group."""
        end, room = monotonic() + GROUP_BOX, {Lane.URGENT: AGGREGATES_MAX, Lane.NORMAL: AGGREGATES_MAX}
        decided, before = 0, -1
        while decided > before:
            before = decided
            for lane, left in room.items():
                due = self._connection.execute(transitions.CLAIM, (lane, group.now, left)).fetchall()
                room[lane] -= len(due)
                if due:
                    decided += step(group, due, end)
                if monotonic() > end and not any(group.pending.values()):
                    return decided
        return decided

    def _one_by_one(self, group: Group, due: Sequence[tuple[str, int]], end: float) -> int:
        decided = 0
        for head in due:
            self._aggregate(group, *head)
            decided += 1
            if monotonic() > end:
                break
        return decided

    def _aggregate(self, group: Group, aggregate: str, done: int) -> None:
        self._connection.execute("savepoint aggregate_step")
        waiting, alarms, outbox = group.waiting, len(group.alarms), len(group.outbox)
        try:
            transitions.decide(group, [(aggregate, done)], 0.0)
        except (sqlite3.IntegrityError, ConfigurationError) as error:
            self._connection.execute("rollback to aggregate_step")
            self._known.forget()
            group.waiting = waiting
            del group.alarms[alarms:], group.outbox[outbox:]
            care.park_unwritable(group, aggregate, f"{type(error).__name__}: {error}")
        self._connection.execute("release aggregate_step")

    def _job(self, group: Group, job: Job) -> Told:
        self._connection.execute("savepoint job")
        waiting = group.waiting
        try:
            told = _job(group, job)
        except (sqlite3.IntegrityError, ConfigurationError) as error:
            self._connection.execute("rollback to job")
            self._known.forget()
            group.waiting = waiting
            told = Told(job.future, error=error)
        self._connection.execute("release job")
        return told

    def _alone(self, job: Job) -> None:
        group = self._group()
        try:
            told = Told(job.future, job.work(group))
        except SQLAlchemyError as error:
            told = Told(job.future, error=error)
        self._on_loop(lambda: self._settle([told], group))

    def _until_due(self) -> float | None:
        if not self._deciding:
            return None
        due = self._connection.execute(_NEXT).fetchone()[0]
        return IDLE_MAX if due is None else min(IDLE_MAX, max(0.0, due - self._clock.now()))

    def _trouble(self, jobs: list[Job], error: sqlite3.Error) -> float:
        """Undo the group, tell its callers to try again, and wait a little longer each time."""
        self._known.forget()
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        group = self._group()
        if not self._backoff:
            group.alarms.append(("store_unavailable", {"error": str(error)}))
        away = UnavailableError(f"the database of {self.rules.service} cannot be written now: {error}")
        told = [Told(job.future, error=away) for job in jobs]
        self._on_loop(lambda: self._settle(told, group))
        self._backoff = min(BACKOFF_MAX, max(BACKOFF_FIRST, self._backoff * 2))
        self._closing.wait(self._backoff)
        return 0.0

    def _refuse(self, *, died: bool) -> None:
        jobs = [*self._in_hand, *self._put_off]
        while more := self._collect(0.0):
            jobs += more
        closed = UnavailableError(f"the store of {self.rules.service} is closed")
        nothing = self._group()
        if died:
            nothing.alarms.append(("store_stopped", {"service": self.rules.service}))
        self._on_loop(lambda: self._settle([Told(job.future, error=closed) for job in jobs], nothing))

    def _on_loop(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody is left who could be told.
            self._loop.call_soon_threadsafe(call)

    def _settle(self, told: list[Told], group: Group) -> None:
        reach("store.before_reply")
        for one in told:
            if one.future.done():
                continue
            if one.error is not None:
                one.future.set_exception(one.error)
            else:
                one.future.set_result(one.result)
        self._tell(group)
