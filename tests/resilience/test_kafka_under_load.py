"""Kafka fails under the four services while 200 webhooks a second come in and replays wait for approval."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from shared.events.payload import ALERTS, DECISIONS, INCIDENTS, REQUESTS
from tests.resilience import history
from tests.resilience.checker import Remains, check, told
from tests.resilience.cluster import READERS
from tests.resilience.conftest import Enter
from tests.resilience.load import REST_LIMIT, House, open_house
from tests.resilience.report import Line
from tests.resilience.sender import RATE
from tests.resilience.test_cuts import black_hole, cut_replies, down, lost_replies, resets
from tests.support.proxy import Proxy

pytestmark = [pytest.mark.crash, pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(900)]

REBALANCE_EVERY = 3.0
CALM, SHORT_CALM = 3.0, 1.0
"""Seconds of load before each fault."""
LATENCY = 0.2
READ = (ALERTS, INCIDENTS, DECISIONS, REQUESTS)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, and undone, for so many seconds where that means something."""

    matrix: str
    said: str
    do: Callable[[House, float], None]


def stopped(house: House, seconds: float) -> None:
    """End the broker in order and start it again on the same data."""
    _away(house, house.broker.stop, seconds)


def killed(house: House, seconds: float) -> None:
    """Kill the broker and start it again on the same data."""
    _away(house, house.broker.kill, seconds)


def _away(house: House, end: Callable[[], None], seconds: float) -> None:
    end()
    house.wire.do(Proxy.down)  # Where nobody listens, nobody takes connections either.
    time.sleep(seconds)
    house.broker.start()
    house.wire.do(Proxy.up)


def frozen(house: House, seconds: float) -> None:
    """Let the broker answer nothing."""
    house.broker.freeze()
    try:
        time.sleep(seconds)
    finally:
        house.broker.thaw()


def recreated(house: House, seconds: float) -> None:
    """Delete all topics that are read and create them empty; webhooks come while there are none.

    What nobody has read goes with a topic, so all is read first.
    """
    with house.sender.silence():
        house.replays_end()
        house.taken()
        house.look_at_topics()
        house.topics.delete(READ)
    time.sleep(seconds)
    house.topics.create()


def rewound(house: House, seconds: float) -> None:
    """Let every group read everything again, while webhooks come."""
    del seconds
    house.replays_end()
    remains = house.cluster.remains()
    before, house.closed = calls(remains), history.acts(remains)
    assert house.closed.total(), "nothing was done that could be done again"
    house.cluster.end(*READERS)
    house.topics.rewind()
    for name in READERS:
        house.cluster.start(name)
    house.cluster.ready(*READERS)
    house.taken(most=RATE)
    assert calls(house.cluster.remains()) == before


def rebalanced(house: House, seconds: float) -> None:
    """Have three diagnosers and a guest who joins or leaves every few seconds."""
    others = ("diagnoser-2", "diagnoser-3")
    for name in others:
        house.cluster.start(name)
    house.cluster.ready(*others)
    house.topics.visit("diagnoser", every=min(REBALANCE_EVERY, seconds / 2), seconds=seconds)
    house.cluster.end(*others)


def slain(house: House, seconds: float) -> None:
    """Kill one of those that read, at any moment, and start it again, while replays begin one after the other.

    Not ingest: who sends to nobody is refused. What it acknowledged before it was killed has tests of its own.
    """
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 -- how to do it again
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        name = chance.choice(READERS)
        process = house.cluster.signoff.started[name]
        process.kill()
        process.wait()
        time.sleep(chance.uniform(0.0, 2.0))
        house.cluster.start(name)
        house.cluster.ready(name)
        house.replays_go()  # They follow the notifier, and end when it does.
        house.cluster.replay()
        time.sleep(chance.uniform(2.0, 12.0))
    house.replays_go()


def calls(remains: Remains) -> int:
    """Return how often production was called."""
    return sum(entry["kind"] == "call" for entry in remains.world)


async def latency(proxy: Proxy) -> None:
    """Let each piece come late, for a while."""
    proxy.latency = LATENCY
    await asyncio.sleep(20 * LATENCY)
    proxy.heal()


def cut(harm: Callable[[Proxy], Awaitable[None]]) -> Fault:
    """Return what a line to the broker suffers."""
    return Fault("F11", f"line to the broker: {harm.__name__}", lambda house, _: house.wire.do(harm))


FAULTS: Mapping[str, Fault] = {
    "stopped": Fault("F7", "broker stopped {:g} s", stopped),
    "frozen": Fault("F7", "broker frozen {:g} s", frozen),
    "killed": Fault("F8", "broker killed, away {:g} s", killed),
    "recreated": Fault("F8", "all topics deleted, created empty after {:g} s", recreated),
    "rewound": Fault("F8", "all groups set back to the beginning", rewound),
    "slain": Fault("F4", "those that read killed one by one, again and again for {:g} s", slain),
    "rebalanced": Fault("F9", "three diagnosers, a guest joins or leaves again and again for {:g} s", rebalanced),
    **{harm.__name__: cut(harm) for harm in (resets, black_hole, lost_replies, cut_replies, down, latency)},
}
LONG = {"stopped": 10.0, "frozen": 30.0, "killed": 5.0, "recreated": 10.0, "rebalanced": 60.0, "slain": 300.0}
KILLS = {"killed": "1", "slain": "again and again"}
SHORT = {"frozen": 3.0, "killed": 0.0, "recreated": 0.5, "rewound": 0.0, "cut_replies": 0.0, "rebalanced": 2.0}


@pytest.fixture
def house(tmp_path: Path, postgres_url: str) -> Iterator[House]:
    """Everything is running."""
    with open_house(tmp_path, postgres_url) as found:
        yield found


def suffer(house: House, faults: Mapping[str, float], enter: Enter, *, calm: float) -> None:
    """Do one fault after the other under load, let all come to rest, and look at what is left."""
    with house.sender.sending():
        for name, seconds in faults.items():
            house.cluster.replay()
            time.sleep(calm)
            FAULTS[name].do(house, seconds)
        time.sleep(calm)
    remains = house.at_rest()
    verdict = check(remains)
    assert house.broken(remains) == [], told(remains, house.broken(remains))
    assert len(house.sender.history) >= RATE * calm
    assert 1 <= verdict.effects <= verdict.steps
    where = f"four processes, {RATE} webhooks/s and replays with an approver, postgres, kafka"
    for name, seconds in faults.items():
        fault, kills = FAULTS[name], KILLS.get(name, "0")
        costs = (verdict.lost, verdict.doubled)
        within = f"{REST_LIMIT:g} s"
        seed = "drawn" if name == "slain" else "fixed"
        line = Line(fault.matrix, fault.said.format(seconds), where, kills, *costs, stuck=verdict.stuck, within=within)
        enter(replace(line, seed=seed))


def test_whatever_happens_to_kafka_under_load_refuses_loses_and_doubles_nothing(house: House, enter: Enter) -> None:
    suffer(house, SHORT, enter, calm=SHORT_CALM)


@pytest.mark.nightly
@pytest.mark.parametrize("name", list(FAULTS))
def test_a_long_fault_of_kafka_under_load_refuses_loses_and_doubles_nothing(
    name: str, house: House, enter: Enter
) -> None:
    suffer(house, {name: LONG.get(name, 0.0)}, enter, calm=CALM)
