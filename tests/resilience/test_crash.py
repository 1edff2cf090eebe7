"""SIGKILL at every failpoint, one after the other in one place: each start also mends what the last one left."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable

import pytest

from shared.store import failpoints
from tests.resilience.story import check, run, running
from tests.support.echo_main import Place

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
    "activity.after_claim": 2,
    "activity.after_call": 1,
    "activity.before_finish": 2,
    "activity.after_finish": 1,
    "relay.before_send": 2,
    "relay.after_send": 2,
    "relay.before_delete": 1,
    "relay.after_delete": 2,
}
"""Place -> at which visit the process ends."""
ACKNOWLEDGED = {"intake.before_ack", "intake.after_ack"}
"""Places that the embedded bus does not have: it keeps its offsets in the inbox's own transaction."""
RANDOM_KILLS = 40

Tell = Callable[[str, str, str], None]


def test_every_failpoint_there_is_ends_the_service_somewhere_in_this_suite() -> None:
    assert set(POINTS) == failpoints.NAMES


@pytest.mark.crash
@pytest.mark.timeout(240)
async def test_killed_at_every_failpoint_all_happens_once_and_in_order(
    make_place: Callable[..., Place], database: str, transport: str, request: pytest.FixtureRequest, tell: Tell
) -> None:
    place = make_place(request.getfixturevalue("kafka").bootstrap_servers if transport == "kafka" else "")
    column = f"{database} + {transport}"
    points = {name: hits for name, hits in POINTS.items() if transport == "kafka" or name not in ACKNOWLEDGED}
    for number, (name, hits) in enumerate(points.items(), start=1):
        ended = run(place, rounds=number, failpoint=f"{name}:{hits}")
        assert ended == -signal.SIGKILL, f"{name} was not reached: exit {ended}, {output(place)}"
        tell(name, column, "killed")
    rounds = len(points)
    assert run(place, rounds=rounds, settle=True) == 0, output(place)
    counted = await check(place, rounds)
    for name in POINTS:
        tell(name, column, "killed, all once" if name in points else "no such place")
    tell("in all", column, ", ".join(f"{count} {what}" for what, count in counted.items()))


@pytest.mark.nightly
@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_killed_at_any_moment_all_happens_once_and_in_order(
    make_place: Callable[..., Place], database: str, transport: str, request: pytest.FixtureRequest, tell: Tell
) -> None:
    place = make_place(request.getfixturevalue("kafka").bootstrap_servers if transport == "kafka" else "")
    seed = random.SystemRandom().randrange(2**32)
    moments = random.Random(seed)
    for number in range(1, RANDOM_KILLS + 1):
        with running(place, rounds=number, pace=0.1) as process, pytest.raises(subprocess.TimeoutExpired):
            process.wait(moments.uniform(0.4, 2.5))
    assert run(place, rounds=RANDOM_KILLS, settle=True) == 0, output(place)
    await check(place, RANDOM_KILLS)
    tell("at random", f"{database} + {transport}", f"{RANDOM_KILLS} kills, seed {seed}")


def output(place: Place) -> str:
    """Return what the service said last."""
    return (place.folder / "output").read_text("utf-8", "replace")[-3000:]
