"""The program that the crash suite ends: the echo service, and whoever pings it, in one process.

The pinger sends the pings of each round in small steps and again only what the bus did not acknowledge, so that nothing
but the bus and the inbox can make up for a loss. `--failpoint` waits until the earlier rounds are done, so that it hits
the traffic of the last one; a failpoint of the environment would hit what the end before has left. `--settle` says:
mend, requeue what is dead or parked, end when all is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import cyclopts

from shared.bus.factory import open_bus
from shared.bus.port import Bus
from shared.bus.relay import Relay
from shared.bus.settings import KafkaSettings
from shared.errors import UnavailableError
from shared.store import failpoints
from shared.store.factory import open_store
from shared.store.model import ACTIVITY_LATE, JSON
from shared.store.port import Store
from shared.store.worker import ActivityWorker
from tests.support import echo
from tests.support.kinds import eventually
from tests.support.world import append_line, lines

PINGS = 6
"""Pings of one key in one round."""
SEND_LIMIT = 3.0
SETTLE_LIMIT = 150.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one crash story happens: a database, a bus, and a folder for the log and the world."""

    location: str
    folder: Path
    servers: str = ""
    prefix: str = ""

    def store(self, config: str = "") -> Store:
        """Return the database of the echo service."""
        return open_store(self.location, service="echo", kinds=echo.KINDS, config=config)

    def bus(self) -> Bus:
        """Return its bus. A stable instance id lets a restarted process have its partitions at once."""
        settings = KafkaSettings(
            bootstrap_servers=self.servers, topic_prefix=self.prefix, auto_create=True, instance_id="echo"
        )
        return open_bus(settings, self.folder)


def pings(number: int) -> list[echo.Ping]:
    """Return the pings of a round: two plain keys, one with a poison, one that parks, one with an unsendable event."""
    troubles: dict[str, echo.Trouble] = {"poison": "poison", "park": "parking", "unsent": "unsendable"}
    return [
        echo.Ping(f"{number}.{name}", n, troubles.get(name, "") if n == 1 else "")
        for n in range(PINGS)
        for name in ("a", "b", *troubles)
    ]


def needs_operator(key: str) -> bool:
    """Say whether a key waits for a requeue."""
    return key.partition(".")[2] in {"poison", "park"}


async def send(bus: Bus, batch: list[echo.Ping]) -> None:
    """Send until the bus has all of it."""
    while True:
        try:
            await bus.append([ping.record() for ping in batch], limit=SEND_LIMIT)
        except UnavailableError:
            await asyncio.sleep(0.1)
        else:
            return


async def ping(bus: Bus, store: Store, folder: Path, number: int, pace: float) -> None:
    """Send what is not acknowledged yet of a round, in steps of `pace` seconds.

    The first step is heard before the second is sent: else one batch could carry a whole round past a place just once.
    """
    acknowledged = lines(folder / "sent")
    for n in range(PINGS):
        step = f"{number}:{n}"
        if step not in acknowledged:
            await send(bus, [ping for ping in pings(number) if ping.n == n])
            append_line(folder / "sent", step)
            if n == 0:
                await sure(lambda: store.state(f"heard/{echo.ECHOES}/{number}.a"))
            await asyncio.sleep(pace)


async def sure(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once `condition` holds; while the database is away nobody knows."""

    async def holds() -> bool:
        try:
            return bool(await condition())
        except UnavailableError:
            return False

    await eventually(holds, limit=SETTLE_LIMIT)


async def tell_problems(bus: Bus, folder: Path) -> None:
    """Write down what the bus says of itself, each time that it says something else."""
    told = None
    while True:
        problem = bus.problem()
        if problem and problem != told:
            append_line(folder / "problems", problem)
        told = problem
        await asyncio.sleep(0.05)


async def caught_up(store: Store, rounds: int) -> bool:
    """Say whether all is done that needs no operator."""
    counters, heard = await store.states("counter"), await store.states("heard")
    keys = {ping.key for number in range(rounds) for ping in pings(number) if not needs_operator(ping.key)}
    return all(_complete(counters.get(f"counter/{key}")) for key in keys) and _all_heard(heard, keys)


async def settled(store: Store, rounds: int) -> bool:
    """Say whether all there is to do has been done."""
    counters, heard = await store.states("counter"), await store.states("heard")
    keys = {ping.key for number in range(rounds) for ping in pings(number)}
    return (
        all(_complete(counters.get(f"counter/{key}")) for key in keys)
        and _all_heard(heard, keys)
        and sum(f"heard/{echo.LETTERS}/" in name for name in heard) >= rounds
        and store.waiting() == 0
        and not await store.outbox()
    )


def _all_heard(heard: dict[str, JSON], keys: set[str]) -> bool:
    return all(len(heard.get(f"heard/{echo.ECHOES}/{key}") or ()) >= PINGS for key in keys)


def _complete(counter: JSON) -> bool:
    if not counter or len(counter["taken"]) < PINGS or not counter["timers"]:
        return False
    ended = {activity for activity, how, _ in counter["activities"] if how != ACTIVITY_LATE}
    return len(ended) == PINGS + 1


async def mend(store: Store, rounds: int, mended: Path) -> None:
    """Requeue every round's dead and parked message once all others of its key are there, so that it comes last.

    `mended` says that an earlier process had come so far.
    """
    wanted = {f"ping/{number}.{name}:1" for number in range(rounds) for name in ("poison", "park")}

    async def all_dead() -> bool:
        return wanted <= {dead.id for dead in await store.dead()}

    async def others_taken() -> bool:
        counters = await store.states("counter")
        taken = [counters.get(f"counter/{number}.poison", {}).get("taken", ()) for number in range(rounds)]
        return all(len(numbers) == PINGS - 1 for numbers in taken)

    async def all_requeued() -> bool:
        # One that is asked for twice, because the first answer was lost, is not there any more.
        for message_id in sorted(wanted & {dead.id for dead in await store.dead()}):
            await store.requeue(message_id)
        return True

    if not lines(mended):
        await sure(all_dead)
        await sure(others_taken)
        append_line(mended, echo.MENDED)
    store.configure(echo.MENDED, "")
    await sure(all_requeued)


async def main(
    location: str,
    folder: Path,
    *,
    servers: str = "",
    prefix: str = "",
    rounds: int = 1,
    pace: float = 0.02,
    failpoint: str = "",
    settle: bool = False,
) -> None:
    """Run until all is settled, or until something ends the process."""
    place = Place(location, folder, servers, prefix)
    mended = folder / "mended"
    store, bus = place.store(echo.MENDED if lines(mended) else ""), place.bus()
    await store.open()
    await store.start()
    for subscription in echo.subscriptions(store):
        bus.subscribe(subscription)
    await bus.start()
    relay, worker = Relay(store, bus), ActivityWorker(store, echo.handlers(folder))
    relay.start()
    worker.start()
    telling = asyncio.create_task(tell_problems(bus, folder))
    for number in range(rounds):
        if failpoint and number == rounds - 1:
            await sure(lambda: caught_up(store, rounds - 1))
            failpoints.arm({"SIGNOFF_TEST_BUILD": "1", "SIGNOFF_FAILPOINT": failpoint})
        await ping(bus, store, folder, number, pace)
    if settle:
        await mend(store, rounds, mended)
        await sure(lambda: settled(store, rounds))
        telling.cancel()
        await worker.stop()
        await relay.stop()
        await bus.stop()
        await store.close()
    else:
        await asyncio.Event().wait()


if __name__ == "__main__":
    cyclopts.run(main)
