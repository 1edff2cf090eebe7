"""SIGKILL at every failpoint, one after the other in one place; each start mends what the last one left."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable

import pytest

from shared.store import failpoints
from tests.resilience.account import in_all, left_behind, toll, verify
from tests.resilience.conftest import Tell
from tests.resilience.story import run_into, running, said, settle, under_way
from tests.support.echo_main import PINGS, Place

POINTS = {
    "bus.before_append": 4,
    "bus.after_append": 6,
    "intake.before_take": 2,
    "intake.after_take": 3,
    "intake.before_ack": 2,
    "intake.after_ack": 2,
    "store.before_commit": 4,
    "store.after_commit": 7,
    "store.before_reply": 3,
    "activity.after_claim": 12,
    "activity.after_call": 13,
    "activity.before_finish": 14,
    "activity.after_finish": 12,
    "relay.before_send": 2,
    "relay.after_send": 2,
    "relay.before_delete": 1,
    "relay.after_delete": 2,
}
"""Place -> at which visit the process ends. The first ten activities of a round may be `repeatable`, later ones not."""
SENT_AGAIN = {"relay.after_send", "relay.before_delete"}
CALL_LOST = {"activity.after_claim", "activity.after_call", "activity.before_finish"}
"""Places whose fault always leaves a mark: without it, nothing was shown."""
ACKNOWLEDGED = {"intake.before_ack", "intake.after_ack"}
"""Places that the embedded bus does not have: it keeps its offsets in the inbox's own transaction."""
IN_TRAFFIC, TRAFFIC, START = 0.7, 0.3, 1.0
"""Share of the random kills that hit a round under way, its seconds, and the seconds of a start with its mending."""


def test_every_failpoint_there_is_ends_the_service_somewhere_in_this_suite() -> None:
    assert set(POINTS) == failpoints.NAMES


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_killed_at_every_failpoint_all_happens_once_and_in_order(
    make_place: Callable[..., Place], transport: str, request: pytest.FixtureRequest, tell: Tell
) -> None:
    place = make_place(request.getfixturevalue("kafka").bootstrap_servers if transport == "kafka" else "")
    points = {name: hits for name, hits in POINTS.items() if transport == "kafka" or name not in ACKNOWLEDGED}
    ended = []
    for number, (name, hits) in enumerate(points.items(), start=1):
        code = run_into(place, f"{name}:{hits}", rounds=number)
        ended.append(time.time())
        assert code == -signal.SIGKILL, f"{name} was not reached: exit {code}, {said(place)}"
    assert settle(place, rounds=len(points)) == 0, said(place)
    left = await left_behind(place, len(points))
    for number, name in enumerate(points):
        cost = toll(left, number, ended[number])
        tell(transport, name, cost)
        assert cost.sent_again or name not in SENT_AGAIN, name
        assert cost.calls_lost or name not in CALL_LOST, name
    verify(left)


@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kills", [6, pytest.param(40, marks=pytest.mark.nightly)])
async def test_killed_at_any_moment_all_happens_once_and_in_order(
    kills: int, make_place: Callable[..., Place], transport: str, request: pytest.FixtureRequest, tell: Tell
) -> None:
    place = make_place(request.getfixturevalue("kafka").bootstrap_servers if transport == "kafka" else "")
    seed = random.SystemRandom().randrange(2**32)
    chance, last = random.Random(seed), 0.0
    for number in range(1, kills + 1):
        with running(place, rounds=number, pace=0.05) as process:
            if chance.random() < IN_TRAFFIC:
                await under_way(place, process, steps=(number - 1) * PINGS + 1)
                await asyncio.sleep(chance.uniform(0.0, TRAFFIC))
            else:
                await asyncio.sleep(chance.uniform(0.3, START))
            assert process.poll() is None, said(place)
        last = time.time()
    assert settle(place, rounds=kills) == 0, said(place)
    left = await left_behind(place, kills)
    tell(transport, f"killed {kills} times, seed {seed}", in_all(toll(left, number, last) for number in range(kills)))
    verify(left)
