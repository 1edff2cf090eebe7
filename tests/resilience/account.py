"""Read from outside what a story left behind, count it, and check that everything happened once and in order."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from shared.bus.port import Received
from shared.store.model import ACTIVITY_DONE, ACTIVITY_LATE, ACTIVITY_LOST, JSON
from shared.store.port import AuditEntry
from shared.store.transition import chain
from tests.support import echo
from tests.support.echo_main import PINGS, Place, needs_operator, pings
from tests.support.world import lines

QUIET, PATIENCE = 0.5, 20.0
"""Seconds without another record after which a topic counts as read: with all that was expected, and without."""


class Toll(NamedTuple):
    """What one fault cost. `seconds` from it until all that needs no operator was done."""

    messages: int
    lost: int
    doubled: int
    sent_again: int
    calls_lost: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Left:
    """All that is left: states, audit chains, parked keys, both output topics as they are, and the world's files."""

    rounds: int
    counters: dict[str, JSON]
    heard: dict[str, JSON]
    chains: dict[str, list[AuditEntry]]
    parked: list[str]
    echoes: list[Received]
    letters: list[Received]
    acts: list[str]
    looks: list[str]


async def left_behind(place: Place, rounds: int, *, quiet: float = QUIET) -> Left:
    """Read it all, with the service down."""
    store = place.store()
    await store.open()
    try:
        counters, heard = await store.states("counter"), await store.states("heard")
        chains = {name: await store.audit(name) for name in counters}
        assert store.waiting() == 0
        assert await store.outbox() == []
        assert await store.dead() == []
        for number in range(rounds):
            await store.unpark_key("nowhere.v1", f"{number}.unsent")
        parked = [row.key for row in await store.outbox()]
    finally:
        await store.close()
    echoes = await _read(place, echo.ECHOES, rounds * len(pings(0)), quiet)
    letters = await _read(place, echo.LETTERS, rounds, quiet)
    acts, looks = lines(place.folder / "acts"), lines(place.folder / "looks")
    return Left(rounds, counters, heard, chains, parked, echoes, letters, acts, looks)


async def _read(place: Place, topic: str, expected: int, quiet: float) -> list[Received]:
    """Return a topic from its start, as it is and without any inbox in between."""
    bus = place.bus()
    records: list[Received] = []

    async def read() -> None:
        async for record in bus.tail(topic, from_start=True):
            records.append(record)  # noqa: PERF401 -- `extend` keeps what it has until the tail ends, and a tail never does

    await bus.start()
    reading = asyncio.create_task(read())
    try:
        count, moved = 0, time.monotonic()
        while time.monotonic() - moved < (quiet if len({r.envelope.id for r in records}) >= expected else PATIENCE):
            if len(records) > count:
                count, moved = len(records), time.monotonic()
            await asyncio.sleep(0.02)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await bus.stop()
    return records


def toll(left: Left, number: int, since: float) -> Toll:
    """Count one round: each ping is to be taken once, to be on the wire under one id, and to be heard once."""
    wanted = Counter((ping.key, ping.n) for ping in pings(number))
    keys = {key for key, _ in wanted}
    taken = Counter((key, n) for key in keys for n in left.counters.get(f"counter/{key}", {"taken": []})["taken"])
    heard = Counter((key, body["n"]) for key in keys for _, body, _ in _heard(left, echo.ECHOES, key))
    wire = [record for record in left.echoes if record.key in keys]
    sent = Counter((record.key, orjson.loads(record.body)["n"]) for record in _firsts(wire))
    found = (taken, heard, sent)
    return Toll(
        messages=wanted.total(),
        lost=sum((wanted - counted).total() for counted in found),
        doubled=sum((counted - wanted).total() for counted in found),
        sent_again=len(wire) - sent.total(),
        calls_lost=sum(how == ACTIVITY_LOST for key in keys for _, how, _ in _activities(left, key)),
        seconds=max([since, *_instants(left, keys)]) - since,
    )


def in_all(tolls: Iterable[Toll]) -> Toll:
    """Return what all rounds cost together."""
    messages, lost, doubled, sent_again, calls_lost, seconds = zip(*tolls, strict=True)
    return Toll(sum(messages), sum(lost), sum(doubled), sum(sent_again), sum(calls_lost), max(seconds))


def verify(left: Left) -> None:
    """Assert that every ping of all rounds took effect once and in order, and that nothing else did."""
    keys = sorted({ping.key for number in range(left.rounds) for ping in pings(number)})
    assert sorted(left.counters) == sorted(f"counter/{key}" for key in keys)
    for key in keys:
        state = left.counters[f"counter/{key}"]
        _verify_counter(key, state)
        _verify_activities(key, state, left)
        _verify_events(key, state["taken"], left)
        _verify_chain(left.chains[f"counter/{key}"])
    _verify_letters(left)
    assert sorted(left.parked) == sorted(f"{number}.unsent" for number in range(left.rounds))
    assert len(left.acts) == len(set(left.acts)), "a once activity was done twice"
    assert set(left.looks) == {f"look/{key}" for key in keys}


def _verify_counter(key: str, state: JSON) -> None:
    # A poison was passed over and came back at the end; a parked aggregate kept its order.
    order = [0, *range(2, PINGS), 1] if key.endswith(".poison") else list(range(PINGS))
    assert state["taken"] == order, key
    assert [n for n, _ in state["dead"]] == ([1] if key.endswith(".poison") else []), key
    [[due, fired]] = state["timers"]
    assert fired >= due, f"{key}: a timer was early"


def _verify_activities(key: str, state: JSON, left: Left) -> None:
    told = [(activity, how) for activity, how, _ in state["activities"]]
    ends = {activity: how for activity, how in told if how != ACTIVITY_LATE}
    assert len(told) == len(set(told)), f"{key}: told twice"
    assert [activity for activity, how in told if how != ACTIVITY_LATE] == list(ends), f"{key}: done and lost"
    assert set(ends) == {f"look/{key}", *(f"act/{key}/{n}" for n in range(PINGS))}
    assert [f"look/{key}", ACTIVITY_DONE, "looked"] in state["activities"]
    results = {activity: result for activity, how, result in state["activities"] if how == ACTIVITY_DONE}
    for n in range(PINGS):
        act = f"act/{key}/{n}"
        # A lost call may have been made. One told as done was; whoever's lease had ended before it made none, says so.
        made = (results.get(act), act in left.acts)
        assert ends[act] == ACTIVITY_LOST or made in {("acted", True), ("no call", False)}, f"{act}: {made}"
    assert {activity for activity, how in told if how == ACTIVITY_LATE} <= set(ends) - set(results)


def _verify_events(key: str, taken: Sequence[int], left: Left) -> None:
    firsts = _firsts(record for record in left.echoes if record.key == key)
    wire = [(record.envelope.id, orjson.loads(record.body)["n"]) for record in firsts]
    assert [n for _, n in wire] == taken, f"{key}: events out of order, lost or doubled"
    numbers = [int(event_id.removeprefix(f"echo/counter/{key}:")) for event_id, _ in wire]
    assert numbers == sorted(set(numbers))
    assert [(event_id, body["n"]) for event_id, body, _ in _heard(left, echo.ECHOES, key)] == wire


def _verify_chain(entries: Sequence[AuditEntry]) -> None:
    previous = b""
    for entry in entries:
        assert entry.hash == chain(previous, entry.entry)
        previous = entry.hash
    assert len(entries) == PINGS


def _verify_letters(left: Left) -> None:
    wanted = {f"counter/{number}.poison": f"ping/{number}.poison:1" for number in range(left.rounds)}
    assert {record.key: orjson.loads(record.body)["message_id"] for record in left.letters} == wanted
    assert len(_firsts(left.letters)) == len(wanted)
    for aggregate, message_id in wanted.items():
        assert [body["message_id"] for _, body, _ in _heard(left, echo.LETTERS, aggregate)] == [message_id]


def _heard(left: Left, topic: str, key: str) -> list[tuple[str, JSON, float]]:
    return left.heard.get(f"heard/{topic}/{key}") or []


def _activities(left: Left, key: str) -> list[tuple[str, str, JSON]]:
    state = left.counters.get(f"counter/{key}")
    return state["activities"] if state else []


def _instants(left: Left, keys: Iterable[str]) -> Iterator[float]:
    for key in keys:
        if not needs_operator(key) and f"counter/{key}" in left.counters:
            yield left.counters[f"counter/{key}"]["at"]
            yield from (at for _, _, at in _heard(left, echo.ECHOES, key))


def _firsts(records: Iterable[Received]) -> list[Received]:
    """Return each id once, where it came first."""
    firsts: dict[str, Received] = {}
    for record in records:
        firsts.setdefault(record.envelope.id, record)
    return list(firsts.values())
