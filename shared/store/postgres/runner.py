"""The loop that claims aggregates, decides them on the event loop, and commits; one for each replica.

A claim is a lease: no transaction is open while `decide` runs. What is claimed and not decided within a time box is
given back by the same commit, so urgent aggregates never wait behind slow ones and no lease ends on the way. While the
database is away the commit in hand is tried again: its fences say whether it has happened already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.errors import ConfigurationError, UnavailableError
from shared.runtime.clock import monotonic
from shared.runtime.tasks import why_ended
from shared.store.intake import mended, read_message
from shared.store.model import DECIDE_BUDGET, Lane, Message
from shared.store.postgres.database import Database, FencedError, NotStorableError, lock_number
from shared.store.postgres.statements import CHANGE, CLAIM, LOCK_CHANGES, RELOAD, ROWS
from shared.store.postgres.writes import COMMIT, Step, Writes, writes_of
from shared.store.records import runs
from shared.store.transition import Dead, Effects, Loaded, Rules, batch_of, needs_of, run

LEASE = 5.0
"""Seconds after which another replica may take over what this one has claimed."""
DECIDE_BOX = 0.050
"""Seconds of deciding after which the rest of a claim is given back."""
BREATH = 0.001
"""Seconds of deciding after which whoever else is on the event loop has a turn."""
POLL = 0.050
"""Seconds between two looks for the work of other replicas and for timers."""
BACKOFF_FIRST, BACKOFF_MAX = 0.02, 1.0
STOP_LIMIT = 5.0


@dataclass(slots=True)
class Told:
    """What must be told of a commit. `waiting` is the change of the number of messages that wait."""

    waiting: int = 0
    outbox: bool = False
    activities: bool = False
    replies: dict[str, bytes] = field(default_factory=dict)
    alarms: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Claim:
    """One aggregate under a lease, with the batch to decide."""

    loaded: Loaded
    fence: int
    batch: list[Message]

    def give_back(self) -> Step:
        due = min((due for due, _ in self.loaded.timers.values()), default=None)
        return Step(self.loaded.aggregate, self.fence, self.loaded.done, due)

    def park(self, reason: str) -> Step:
        """Park an aggregate that cannot be decided or whose decision the database refuses."""
        stuck = self.loaded.messages[0] if self.loaded.messages else None
        message = stuck or Message(0, f"{self.loaded.aggregate}!timers", "timer", None)
        return Step(self.loaded.aggregate, self.fence, self.loaded.done, None, parked=Dead(message, reason[:500]))


class Runner:
    """Runs the transitions of one store; `rules` is asked for each batch, `tell` is called after each commit."""

    def __init__(self, database: Database, rules: Callable[[], Rules], tell: Callable[[Told], None]) -> None:
        self.bell = asyncio.Event()
        self.now = 0.0
        self._database = database
        self._rules = rules
        self._tell = tell
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to claim."""
        self._task = asyncio.create_task(self._claim_for_ever())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Finish the batch in hand within a bound. Idempotent."""
        self._closing = True
        self.bell.set()
        if self._task is not None:
            task, self._task = self._task, None
            _, late = await asyncio.wait([task], timeout=STOP_LIMIT)
            if late:
                task.cancel()
                await asyncio.wait([task])

    def ended(self) -> str | None:
        """Return how it has ended by itself, None while it claims."""
        return why_ended(self._task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            service = self._rules().service
            self._tell(Told(alarms=[("store_stopped", {"service": service, "error": repr(error)})]))

    async def _claim_for_ever(self) -> None:
        pause = 0.0
        while not self._closing:
            self.bell.clear()
            try:
                worked = await self._turn()
            except UnavailableError as error:
                pause = self._back_off(pause, error)
                await self._sleep(pause)
            else:
                pause = 0.0
                if not worked:
                    await self._sleep(POLL)

    def _back_off(self, pause: float, error: UnavailableError) -> float:
        if not pause:
            self._tell(Told(alarms=[("store_unavailable", {"error": str(error)})]))
        return min(BACKOFF_MAX, max(BACKOFF_FIRST, pause * 2))

    async def _sleep(self, limit: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self.bell.wait()

    async def _turn(self) -> bool:
        """Claim, decide and commit one batch; say whether there was any."""
        found = await self._database.fetch(CLAIM, LEASE)
        if not found:
            return False
        self.now = now = max(self.now, found[0]["at"])
        rules = self._rules()
        claims = [await self._load(row, now) for row in found]
        parked = await self._read_rows(rules, claims, now)
        told = Told()
        steps = await self._decide_all(rules, [c for c in claims if c.loaded.aggregate not in parked], now, told)
        await self._commit(rules, {c.loaded.aggregate: c for c in claims}, [*parked.values(), *steps], now, told)
        return True

    async def _load(self, row: Any, now: float) -> _Claim:  # noqa: ANN401 -- asyncpg has no types
        aggregate, done = row["agg"], row["done"]
        read = await self._database.row(RELOAD, aggregate, done) if row["stale"] else row
        loaded = Loaded(aggregate, done, [])
        if read["seqs"]:
            columns = (read[name] for name in ("seqs", "ids", "types", "bodies", "metas"))
            for message, broken in (read_message(*one) for one in zip(*columns, strict=True)):
                loaded.messages.append(message)
                if broken:
                    loaded.broken[message.seq, message.id] = broken
        if read["state"] is not None:
            loaded.state, loaded.version, loaded.out_seq = read["state"], read["version"], read["out_seq"]
            loaded.audit_seq, loaded.audit_head = read["audit_seq"], read["audit_head"]
            loaded.timers = {name: (due, body) for name, (due, body) in orjson.loads(read["timers"]).items()}
        return _Claim(loaded, row["fence"], batch_of(loaded, now))

    async def _read_rows(self, rules: Rules, claims: Sequence[_Claim], now: float) -> dict[str, Step]:
        """Load the rows that the batches need; return those that must be parked because nobody knows their kind."""
        wanted: list[tuple[str, str]] = []
        parked: dict[str, Step] = {}
        for claim in claims:
            aggregate = claim.loaded.aggregate
            try:
                # A key that no database takes as text is not there.
                keys = [key for key in needs_of(rules, claim.loaded, claim.batch) if mended(key) == key]
            except ConfigurationError as error:
                parked[aggregate] = claim.park(f"ConfigurationError: {error}")
            else:
                wanted += [(aggregate, key) for key in keys]
        if wanted:
            by_name = {claim.loaded.aggregate: claim.loaded for claim in claims}
            names, keys = [name for name, _ in wanted], [key for _, key in wanted]
            for aggregate, key, value in await self._database.fetch(ROWS, names, keys, now):
                by_name[aggregate].rows[key] = value
        return parked

    async def _decide_all(self, rules: Rules, claims: Sequence[_Claim], now: float, told: Told) -> list[Step]:
        steps: list[Step] = []
        spent = breathed = 0.0
        for claim in claims:
            if not claim.batch or spent > DECIDE_BOX:
                steps.append(claim.give_back())
                continue
            started = monotonic()
            effects = run(rules, claim.loaded, claim.batch, now)
            seconds = monotonic() - started
            spent += seconds
            if seconds > DECIDE_BUDGET:
                facts = {"aggregate": effects.aggregate, "seconds": round(seconds, 3), "messages": len(claim.batch)}
                told.alarms.append(("slow_decide", facts))
            steps.append(
                Step(effects.aggregate, claim.fence, claim.loaded.done, effects.next_timer, effects, effects.parked)
            )
            if spent - breathed > BREATH:
                breathed = spent
                await asyncio.sleep(0)
        return steps

    async def _commit(
        self, rules: Rules, claims: dict[str, _Claim], steps: Sequence[Step], now: float, told: Told
    ) -> None:
        """Commit all at once, or, when a fence is gone or a value is refused, one aggregate at a time."""
        try:
            await self._persist(rules, steps, now, told)
        except (FencedError, NotStorableError):
            for step in steps:
                await self._commit_one(rules, claims[step.aggregate], step, now)
            self._tell(Told(alarms=told.alarms))

    async def _commit_one(self, rules: Rules, claim: _Claim, step: Step, now: float) -> None:
        try:
            try:
                await self._persist(rules, [step], now, Told())
            except NotStorableError as error:
                await self._persist(rules, [claim.park(str(error))], now, Told())
        except FencedError:
            self._tell(Told(alarms=[("fenced", {"aggregate": step.aggregate, "fence": step.fence})]))

    async def _persist(self, rules: Rules, steps: Sequence[Step], now: float, told: Told) -> None:
        """Write until the database has answered, then tell. Raises FencedError and NotStorableError."""
        writes = writes_of(steps, now, lambda aggregate: _lane(rules, aggregate))
        pause = 0.0
        while True:
            try:
                told.waiting += await self._write(writes)
            except UnavailableError as error:
                if self._closing:
                    raise
                pause = self._back_off(pause, error)
                await asyncio.sleep(pause)
            else:
                break
        for step in steps:
            _note(told, step)
        self._tell(told)

    async def _write(self, writes: Writes) -> int:
        """Write one commit and return by how much the number of waiting messages grew, what was decided aside."""
        if not writes.records:
            return int((await self._database.write(COMMIT, *writes.parameters()))[0]["waiting"])
        async with self._database.transaction() as connection:
            for sql, parameters in runs(writes.records):
                await connection.executemany(sql, parameters)
            row = await connection.fetchrow(COMMIT, *writes.parameters())
            if writes.feeds:
                await connection.execute(LOCK_CHANGES, lock_number(self._database.schema, "change"))
                await connection.execute(CHANGE, writes.feeds)
        return int(row["waiting"])


def _lane(rules: Rules, aggregate: str) -> Lane:
    try:
        return rules.kind_of(aggregate).lane
    except ConfigurationError:  # It is parked just now; whoever knows its kind again will say its lane.
        return Lane.NORMAL


def _note(told: Told, step: Step) -> None:
    effects = step.effects
    if effects is not None:
        told.waiting -= effects.done - step.done
        told.outbox = told.outbox or bool(effects.outbox)
        told.activities = told.activities or bool(effects.activities)
        told.replies |= effects.replies
        told.alarms += [_alarm("message_dead", effects, dead) for dead in effects.dead]
    if step.parked is not None:
        told.alarms.append(_alarm("aggregate_parked", step, step.parked))


def _alarm(reason: str, of: Step | Effects, dead: Dead) -> tuple[str, dict[str, Any]]:
    return reason, {"aggregate": of.aggregate, "message": dead.message.id, "reason": dead.reason}
