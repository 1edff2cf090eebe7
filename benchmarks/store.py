"""Whole messages (intake, transition, relay) of the store beside a loop over the same statements, on both databases."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import uvloop

from benchmarks import by_hand
from benchmarks.bench import Bench
from benchmarks.by_hand import Speed, Stopwatch
from benchmarks.measuring import Row, at_least, interleaved, ratio_row
from cli.importing import keep_what_is_there
from shared.bus.embedded import EmbeddedBus
from shared.bus.port import Rejected, WireRecord
from shared.bus.relay import Relay
from shared.events.envelope import Outgoing
from shared.store.factory import open_store
from shared.store.model import JSON, Decision, Incoming, Lane, Message
from shared.store.port import Store

KEYS = (1, 16, 256)
HOT, HOT_BATCHES = 500, 4
"""Messages of the hot key that come at a time, and how many such batches are under way."""
BATCH = 500


class Counting:
    """Counts its messages, says so, and keeps an audit entry of each."""

    name = "counter"
    lane = Lane.NORMAL

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        """Return nothing: the count is in the state."""
        del state, messages
        return ()

    def decide(
        self, config: None, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        """Count."""
        del config, rows, now
        decision = Decision(state or {"n": 0})
        for message in messages:
            decision.state["n"] += 1
            body, sender = {"n": decision.state["n"]}, message.id.partition("-")[0]
            decision.events.append(Outgoing("incidents.v1", sender, "counted", body, "live"))
            decision.audit.append("counted")
        return decision

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        """Fail: no message of a bench is dead."""
        del state
        raise AssertionError(f"{message.id}: {reason}")


def run(bench: Bench) -> list[Row]:
    """Return messages a second by database and number of keys, each with a message in flight; last the hot key."""
    keep_what_is_there()  # As the product does.
    rows = []
    for database in ("SQLite", "PostgreSQL"):
        for keys, each in (*((keys, 1) for keys in KEYS), (1, HOT)):
            rows += _rows(bench, database, keys, each)
    return rows


def _rows(bench: Bench, database: str, keys: int, each: int) -> list[Row]:
    seconds, rounds = bench.either(1.0, 0.1), int(bench.either(3, 1))
    cases: dict[str, Callable[[], Speed]] = {
        "store": partial(_measured, bench, database, partial(_by_store, keys, each, seconds)),
        "by hand": partial(_measured, bench, database, partial(_by_hand, keys, each, seconds)),
    }
    found = interleaved(cases, rounds)
    rate = {name: [one.rate for one in speeds] for name, speeds in found.items()}
    cost = {name: [one.cost for one in speeds] for name, speeds in found.items()}
    what = f"{database}, {'one hot key' if each > 1 else f'{keys} keys' if keys > 1 else '1 key'}"
    return [
        ratio_row(what, "/s", rate["store"], rate["by hand"], at_least(0.6)),
        ratio_row(f"{what}, processor time", "us", cost["store"], cost["by hand"]),
    ]


def _measured(bench: Bench, database: str, case: Callable[[Path, str], Speed]) -> Speed:
    """Run a case on a fresh database."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    location = str(folder / "thing.db") if database == "SQLite" else bench.postgres_url()
    asyncio.run(_made(location))
    return case(folder, location)


def _by_hand(keys: int, each: int, seconds: float, folder: Path, location: str) -> Speed:
    if location.startswith("postgresql"):
        return by_hand.on_postgres(location, folder, keys, each, seconds)
    return by_hand.on_sqlite(folder, keys, each, seconds)


def _by_store(keys: int, each: int, seconds: float, folder: Path, location: str) -> Speed:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # As the product does.
        return runner.run(_Run(_store(location), _Heard(folder / "bus.db"), keys, each, seconds).speed())


def _store(location: str) -> Store:
    return open_store(location, service="thing", kinds=[Counting()])


async def _made(location: str) -> None:
    store = _store(location)
    await store.open()
    await store.close()


class _Heard(EmbeddedBus):
    """A log that says which events are there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.told: Callable[[Sequence[WireRecord]], None] = lambda _: None

    async def append(self, records: Sequence[WireRecord], *, limit: float = 10.0) -> list[Rejected]:
        """Append, then tell."""
        rejected = await super().append(records, limit=limit)
        self.told(records)
        return rejected


@dataclass
class _Run:
    """A closed loop: each sender has `each` messages under way, and sends anew when the events of all are there."""

    store: Store
    bus: _Heard
    keys: int
    each: int
    seconds: float
    _pending: list[Incoming] = field(default_factory=list)
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _missing: Counter[str] = field(default_factory=Counter)
    _turns: int = 0
    _watch: Stopwatch = field(default_factory=Stopwatch)

    async def speed(self) -> Speed:
        """Return how fast it goes."""
        await self.store.open()
        await self.store.start()
        await self.bus.start()
        self.bus.told = self._heard
        relay = Relay(self.store, self.bus)
        relay.start()
        taking = asyncio.create_task(self._take())
        self._watch = Stopwatch()
        for number in range(HOT_BATCHES if self.each > 1 else self.keys):
            self._send(f"m{number}")
        await self._over.wait()
        speed = self._watch.speed(self._turns * self.each)
        taking.cancel()
        await relay.stop()
        await self.bus.stop()
        await self.store.close()
        return speed

    def _send(self, sender: str) -> None:
        aggregate = f"counter/{int(sender[1:]) % self.keys}"
        self._missing[sender] = self.each
        turn = f"{sender}-{self._turns}"
        self._pending += [Incoming(aggregate, f"{turn}-{n}", "count", by_hand.BODY) for n in range(self.each)]
        self._bell.set()

    def _heard(self, records: Sequence[WireRecord]) -> None:
        for sender, count in Counter(record.key for record in records).items():
            self._missing[sender] -= count
            if not self._missing[sender]:
                self._turns += 1
                if self._watch.seconds < self.seconds:
                    self._send(sender)
        if not self._missing.total():
            self._over.set()

    async def _take(self) -> None:
        """Take what waits, as from a bus: one batch after the other."""
        while True:
            if not self._pending:
                self._bell.clear()
                await self._bell.wait()
            batch, self._pending = self._pending[:BATCH], self._pending[BATCH:]
            await self.store.take(batch)
