"""A broker that stops, freezes or dies under a running service, and one that is not there at first."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.bus.port import Bus
from shared.errors import UnavailableError
from tests.contract.bus.conftest import ready
from tests.resilience.account import left_behind, toll, verify
from tests.resilience.conftest import Tell
from tests.resilience.story import END_LIMIT, endured, listening, running, said, settle, under_way
from tests.resilience.topics import Topics
from tests.support import echo
from tests.support.echo_main import Place
from tests.support.kafka import KafkaServer, LocalKafka
from tests.support.kinds import eventually
from tests.support.world import lines

AWAY = {"stopped": 2.0, "frozen": 12.0, "killed": 2.0}
"""Seconds; the frozen broker stays so past the relay's time limit, so that its producer is replaced."""
HOUR = 3600.0
FAULTS, ROUNDS = 12, 8


def harm(broker: LocalKafka, fault: str) -> Callable[[], None]:
    """Do it, and return what undoes it."""
    if fault == "frozen":
        broker.freeze()
        return broker.thaw
    (broker.stop if fault == "stopped" else broker.kill)()
    return broker.start


async def says(place: Place, process: subprocess.Popen[bytes], problem: str) -> bool:
    """Say whether the service has told of this problem of its bus."""
    assert process.poll() is None, said(place)
    return problem in problems(place)


def problems(place: Place) -> str:
    """Return all problems that the service told of its bus."""
    return " ".join(lines(place.folder / "problems"))


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.parametrize(
    "fault, seconds",
    [
        *(pytest.param(fault, away, marks=pytest.mark.timeout(400)) for fault, away in AWAY.items()),
        pytest.param("stopped", HOUR, marks=[pytest.mark.nightly, pytest.mark.timeout(HOUR + 400)], id="for an hour"),
    ],
)
async def test_a_broker_that_goes_away_and_comes_back_loses_and_doubles_nothing(
    fault: str, seconds: float, make_place: Callable[..., Place], private_kafka: LocalKafka, tell: Tell
) -> None:
    place = make_place(private_kafka.bootstrap_servers)
    with running(place, "--settle", rounds=1, pace=0.5) as process:
        await under_way(place, process, steps=2)
        undo = harm(private_kafka, fault)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(undo)
        back = time.time()
        assert await asyncio.to_thread(process.wait, END_LIMIT) == 0, said(place)
    left = await left_behind(place, 1)
    tell("kafka", f"broker {fault} {seconds:g} s", toll(left, 0, back))
    verify(left)
    assert fault != "frozen" or "did not take" in problems(place)


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(400)
async def test_a_service_whose_broker_is_away_at_first_starts_says_so_and_catches_up(
    make_place: Callable[..., Place], private_kafka: LocalKafka, tell: Tell
) -> None:
    place = make_place(private_kafka.bootstrap_servers)
    private_kafka.stop()
    with running(place, "--settle", rounds=1) as process:
        try:
            await eventually(lambda: says(place, process, place.servers), limit=30)
        finally:
            await asyncio.to_thread(private_kafka.start)
        back = time.time()
        assert await asyncio.to_thread(process.wait, END_LIMIT) == 0, said(place)
    left = await left_behind(place, 1)
    tell("kafka", "broker away at start", toll(left, 0, back))
    verify(left)


@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(400)
async def test_a_service_killed_while_its_broker_answers_nothing_has_promised_nothing_that_is_lost(
    make_place: Callable[..., Place], private_kafka: LocalKafka, tell: Tell
) -> None:
    place = make_place(private_kafka.bootstrap_servers)
    with running(place, rounds=1, pace=0.3) as process:
        await under_way(place, process, steps=2)
        private_kafka.freeze()
        try:
            await asyncio.sleep(1.0)
            process.kill()
            await asyncio.to_thread(process.wait)
        finally:
            private_kafka.thaw()
        back = time.time()
    assert await asyncio.to_thread(settle, place, rounds=1) == 0, said(place)
    left = await left_behind(place, 1)
    tell("kafka", "killed, broker frozen", toll(left, 0, back))
    verify(left)


@pytest.mark.nightly
@pytest.mark.kafka
@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_a_broker_that_goes_away_again_and_again_loses_and_doubles_nothing(
    make_place: Callable[..., Place], private_kafka: LocalKafka, tell: Tell
) -> None:
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)

    async def again_and_again() -> None:
        for _ in range(FAULTS):
            undo = harm(private_kafka, chance.choice(sorted(AWAY)))
            try:
                await asyncio.sleep(chance.uniform(0.2, 15.0))
            finally:
                await asyncio.to_thread(undo)
            await asyncio.sleep(chance.uniform(0.0, 4.0))

    cost = await endured(make_place(private_kafka.bootstrap_servers), again_and_again, rounds=ROUNDS)
    tell("kafka", f"broker away {FAULTS} times, seed {seed}", cost)


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_bus_whose_broker_is_away_starts_says_so_and_reads_once_it_is_back(
    tmp_path: Path, private_kafka: LocalKafka
) -> None:
    place = Place(str(tmp_path / "echo.db"), tmp_path, private_kafka.bootstrap_servers, "away.")
    async with listening(place) as (store, bus):
        private_kafka.stop()
        try:
            await bus.start()
            await eventually(lambda: told_of(bus, "Kafka"))
            with pytest.raises(UnavailableError):
                await bus.append([echo.Ping("k", 0).record()], limit=1.0)
        finally:
            await asyncio.to_thread(private_kafka.start)
        await ready(bus)
        await bus.append([echo.Ping("k", 0).record()])
        await eventually(lambda: store.state("counter/k"), limit=30)


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_send_that_missed_its_limit_is_told_and_leaves_no_producer_behind(
    tmp_path: Path, private_kafka: LocalKafka
) -> None:
    place = Place(str(tmp_path / "echo.db"), tmp_path, private_kafka.bootstrap_servers, "late.")
    async with listening(place) as (store, bus):
        await bus.start()
        await ready(bus)
        await bus.append([echo.Ping("k", 0).record()])
        private_kafka.freeze()
        try:
            for _ in range(2):
                with pytest.raises(UnavailableError):
                    await bus.append([echo.Ping("k", 1).record()], limit=1.0)
            assert "did not take" in (bus.problem() or "")
        finally:
            private_kafka.thaw()
        await bus.append([echo.Ping("k", 1).record(), echo.Ping("k", 2).record()])
        assert bus.problem() is None

        async def all_taken() -> bool:
            state = await store.state("counter/k")
            return bool(state and state["taken"] == [0, 1, 2])

        await eventually(all_taken, limit=30)
    senders = [task for task in asyncio.all_tasks() if "_sender_routine" in repr(task)]
    assert senders == []


@pytest.mark.kafka
@pytest.mark.timeout(120)
async def test_a_reader_whose_topic_was_deleted_says_so_and_reads_all_that_comes_once_it_is_there_again(
    tmp_path: Path, kafka: KafkaServer
) -> None:
    place = Place(str(tmp_path / "echo.db"), tmp_path, kafka.bootstrap_servers, f"t{uuid.uuid4().hex[:10]}.")
    topics = Topics(place.servers, place.prefix)
    async with listening(place) as (store, bus):
        await bus.start()
        await ready(bus)
        await bus.append([echo.Ping("k", n).record() for n in range(10)])

        async def taken(numbers: range) -> bool:
            state = await store.state("counter/k")
            return bool(state and state["taken"] == list(numbers))

        await eventually(lambda: taken(range(10)))
        await asyncio.to_thread(topics.delete, [echo.PINGS])
        await eventually(lambda: told_of(bus, "is missing"))
        await asyncio.to_thread(topics.create)
        # More than were there before: who went on from the old place would pass over the first ones.
        await bus.append([echo.Ping("k", n).record() for n in range(10, 40)])
        await eventually(lambda: taken(range(40)))
        await ready(bus)


async def told_of(bus: Bus, problem: str) -> bool:
    """Say whether the bus tells of this problem."""
    return problem in (bus.problem() or "")
