"""Start the echo service, end it, start it again; then check from outside that everything happened once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.store.model import ACTIVITY_DONE, ACTIVITY_LOST, JSON
from shared.store.transition import chain
from tests.support import echo
from tests.support.echo_main import PINGS, Place, pings
from tests.support.world import lines

ROOT = Path(__file__).parents[2]
END_LIMIT = 100.0


@contextmanager
def running(
    place: Place, *, rounds: int, failpoint: str = "", pace: float = 0.02, settle: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the echo service as a process of its own; whatever still runs at the end is killed."""
    environment = {**os.environ, "SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint}
    options = [f"--servers={place.servers}", f"--prefix={place.prefix}", f"--rounds={rounds}", f"--pace={pace}"]
    program = [sys.executable, "-m", "tests.support.echo_main", place.location, str(place.folder), *options]
    with (place.folder / "output").open("ab") as output:
        process = subprocess.Popen(
            [*program, "--settle"] if settle else program, cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run(place: Place, *, rounds: int, failpoint: str = "", settle: bool = False) -> int:
    """Run the echo service to its end and return its exit code, negative for a signal."""
    with running(place, rounds=rounds, failpoint=failpoint, settle=settle) as process:
        return process.wait(END_LIMIT)


async def check(place: Place, rounds: int) -> dict[str, int]:
    """Assert that every ping of all rounds took effect once and in order; return what was counted on the way."""
    store = place.store()
    await store.open()
    try:
        counters, heard = await store.states("counter"), await store.states("heard")
        chains = {name: await store.audit(name) for name in counters}
        assert store.waiting() == 0
        assert await store.outbox() == []
        for number in range(rounds):
            await store.unpark_key("nowhere.v1", f"{number}.unsent")
        unsendable = [row.key for row in await store.outbox()]
        assert await store.dead() == []
    finally:
        await store.close()

    keys = sorted({ping.key for number in range(rounds) for ping in pings(number)})
    assert sorted(counters) == sorted(f"counter/{key}" for key in keys)
    for key in keys:
        _check_counter(key, counters[f"counter/{key}"])
        _check_heard(key, heard[f"heard/{echo.ECHOES}/{key}"], counters[f"counter/{key}"]["taken"])
        previous = b""
        for entry in chains[f"counter/{key}"]:
            assert entry.hash == chain(previous, entry.entry)
            previous = entry.hash
        assert len(chains[f"counter/{key}"]) == PINGS
    _check_letters(heard, rounds)
    assert sorted(unsendable) == sorted(f"{number}.unsent" for number in range(rounds))
    acts = lines(place.folder / "acts")
    assert len(acts) == len(set(acts)), "a once activity was done twice"
    assert set(lines(place.folder / "looks")) == set(keys)
    lost = sum(["act", ACTIVITY_LOST, None] in state["activities"] for state in counters.values())
    return {"pings": PINGS * len(keys), "acts": len(acts), "told lost": lost}


def _check_counter(key: str, state: JSON) -> None:
    # A poison was passed over and came back at the end; a parked aggregate kept its order.
    order = [0, *range(2, PINGS), 1] if key.endswith(".poison") else list(range(PINGS))
    assert state["taken"] == order, key
    assert [n for n, _ in state["dead"]] == ([1] if key.endswith(".poison") else []), key
    [[due, fired]] = state["timers"]
    assert fired >= due, f"{key}: a timer was early"
    assert sorted(name for name, _, _ in state["activities"]) in (["act", "look"], ["act", "act", "look"]), key
    assert ["look", ACTIVITY_DONE, "looked"] in state["activities"]
    ends = [kind for name, kind, _ in state["activities"] if name == "act"]
    assert ends[0] in {ACTIVITY_DONE, ACTIVITY_LOST}, key
    assert ACTIVITY_DONE not in ends[1:], key


def _check_heard(key: str, events: list[JSON], taken: list[int]) -> None:
    assert [body["n"] for _, body in events] == taken, f"{key}: events out of order, lost or doubled"
    numbers = [int(event_id.removeprefix(f"echo/counter/{key}:")) for event_id, _ in events]
    assert numbers == sorted(set(numbers))


def _check_letters(heard: dict[str, JSON], rounds: int) -> None:
    prefix = f"heard/{echo.LETTERS}/"
    letters = {name.removeprefix(prefix): told for name, told in heard.items() if name.startswith(prefix)}
    assert sorted(letters) == sorted(f"counter/{number}.poison" for number in range(rounds))
    for aggregate, told in letters.items():
        assert [body["message_id"] for _, body in told] == [f"ping/{aggregate.removeprefix('counter/')}:1"]
