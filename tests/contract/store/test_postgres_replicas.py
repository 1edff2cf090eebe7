"""Several processes on one database: they share the work, take over from each other, and one of them relays."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text

from shared.errors import UnavailableError
from shared.store.factory import open_store
from shared.store.model import JSON, TIMER, Decision, Kind, Lane, Message, Timer
from shared.store.postgres import runner
from shared.store.postgres.statements import CLAIM
from shared.store.postgres.store import PostgresStore
from tests.support.kinds import KINDS, NOTES, Script, eventually, log_of, logged, say

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).parents[3]
Replica = Callable[..., Awaitable[PostgresStore]]

REPLICA = """
import asyncio, sys
from shared.errors import UnavailableError
from shared.store.factory import open_store
from tests.support.kinds import KINDS, NOTES

def say(*words):
    print(*words, flush=True)

async def main(url, what):
    store = open_store(url, service="thing", kinds=KINDS, tables=(NOTES,))
    store.on_alarm(lambda reason, facts: say(reason))
    await store.open()
    say("open")
    if what == "decide":
        await store.start()
        await asyncio.sleep(3600)
    while True:
        try:
            say("leads" if await store.lead() else "follows")
            await store.outbox()
        except UnavailableError:
            say("lost")
        await asyncio.sleep(0.05)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def process(url: str, what: str) -> Iterator[subprocess.Popen[str]]:
    """Run a replica as a process of its own; it tells what happens on its standard output."""
    child = subprocess.Popen([sys.executable, "-c", REPLICA, url, what], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


async def told(child: subprocess.Popen[str], word: str) -> None:
    """Read what a replica says until it says `word`."""
    assert child.stdout is not None
    while (line := await asyncio.to_thread(child.stdout.readline)).strip() != word:
        assert line, f"the replica ended without saying {word}"


class Patient(Script):
    """Decides at once what `slow` would have it wait for."""

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        for message in messages:
            message.body.pop("slow", None)
        return super().decide(config, state, rows, messages, now)


class Ticking(Script):
    """Counts its timer, which is due again as soon as it has fired."""

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        del config, rows
        ticks = (state or 0) + sum(message.type == TIMER for message in messages)
        return Decision(ticks, timers={"tick": Timer(now - 100)})


@pytest.fixture
async def replica(postgres_url: str) -> AsyncIterator[Replica]:
    """Open a replica in this process, started unless told otherwise."""
    opened: list[PostgresStore] = []

    async def opener(*, start: bool = True, kinds: Sequence[Kind] = KINDS) -> PostgresStore:
        store = open_store(postgres_url, service="thing", kinds=kinds, tables=(NOTES,))
        assert isinstance(store, PostgresStore)
        opened.append(store)
        await store.open()
        if start:
            await store.start()
        return store

    yield opener
    for store in opened:
        await store.close()


async def test_replicas_share_the_work_and_keep_the_order_of_each_aggregate(replica: Replica) -> None:
    stores = [await replica() for _ in range(3)]
    for start in range(0, 600, 20):
        batch = [
            say(f"doc/{i % 7}", f"m{i:03}", locals=[[f"gate/{i % 3}", f"m{i}!", "t", {}]])
            for i in range(start, start + 20)
        ]
        assert await stores[start % 3].take(batch) == 20

    for n in range(7):
        log = await logged(stores[0], f"doc/{n}", len(range(n, 600, 7)))
        assert [entry[1] for entry in log] == [f"m{i:03}" for i in range(n, 600, 7)]
    gates = [await logged(stores[1], f"gate/{n}", 200) for n in range(3)]
    assert sorted(entry[1] for gate in gates for entry in gate) == sorted(f"m{i}!" for i in range(600))


async def test_replicas_that_open_an_empty_database_at_once_agree_on_its_tables(replica: Replica) -> None:
    stores = await asyncio.gather(*(replica() for _ in range(4)))

    await stores[0].take([say("doc/1", "a")])

    assert await logged(stores[3], "doc/1", 1) == [["said", "a"]]


SHELVES = MetaData()
LEFT, RIGHT = (
    Table(name, SHELVES, Column("id", Text, primary_key=True), Column("size", BigInteger, index=True))
    for name in ("left", "right")
)


def shelved(url: str) -> PostgresStore:
    """Return a store with two tables of its own, each with an index."""
    store = open_store(url, service="thing", kinds=KINDS, tables=(LEFT, RIGHT))
    assert isinstance(store, PostgresStore)
    return store


async def test_replicas_that_start_beside_running_ones_break_into_no_transition(postgres_url: str) -> None:
    running = shelved(postgres_url)
    alarms: list[tuple[str, Mapping[str, JSON]]] = []
    running.on_alarm(lambda reason, facts: alarms.append((reason, facts)))
    await running.open()
    await running.start()
    is_enough = asyncio.Event()

    async def write() -> int:
        count = 0
        while not is_enough.is_set():
            records = [{"table": name, "values": {"id": f"{count}"}} for name in ("right", "left") * 5]
            await running.ask(say("doc/1", f"m{count}", records=records, reply=True))
            count += 1
        return count

    writing = asyncio.create_task(write())
    for _ in range(20):
        another = shelved(postgres_url)
        await another.open()
        await another.close()
    is_enough.set()

    assert await writing
    await running.close()
    assert [reason for reason, _ in alarms if reason != "slow_decide"] == []  # That one is about the machine.


async def test_a_replica_starts_while_a_transition_is_under_way(postgres_url: str) -> None:
    running, another = shelved(postgres_url), shelved(postgres_url)
    await running.open()
    async with running._database.transaction() as transition:
        await transition.execute("insert into \"right\"(id) values('1')")

        await asyncio.wait_for(another.open(), 5.0)

        await transition.execute("insert into \"left\"(id) values('1')")
    await another.close()
    await running.close()


async def test_an_index_that_is_missing_is_made_at_the_next_start(postgres_url: str) -> None:
    running, another = shelved(postgres_url), shelved(postgres_url)
    await running.open()
    await running._database.fetch("drop index ix_left_size")

    await another.open()

    assert await another._database.fetch("select 1 from pg_indexes where indexname='ix_left_size'")
    await another.close()
    await running.close()


async def test_a_command_is_answered_by_whoever_decides_it(replica: Replica) -> None:
    asking = await replica(start=False)
    await replica()

    assert await asking.ask(say("gate/1", "q", reply="granted")) == "granted"
    assert await asking.ask(say("gate/1", "q")) == "granted"


async def test_what_another_replica_causes_wakes_relay_and_workers(replica: Replica) -> None:
    waiting = await replica(start=False)
    other = await replica()
    bells = asyncio.gather(waiting.wait_outbox(30.0), waiting.wait_activities(30.0, names=["work"]))
    await asyncio.sleep(0.1)

    await other.take([say("doc/1", "a", events=[{}], activities=[{"id": "x", "name": "work", "args": None}])])

    async with asyncio.timeout(10):
        await bells


async def test_what_waits_is_counted_over_all_replicas(replica: Replica) -> None:
    taking = await replica(start=False)
    await taking.take([say(f"doc/{i}", f"m{i}") for i in range(100)])
    assert taking.waiting() == 100
    await replica()

    async def none_waits() -> bool:
        return taking.waiting() == 0

    await eventually(none_waits)


async def test_the_claims_of_a_killed_replica_are_taken_over_when_its_lease_ends(
    replica: Replica, postgres_url: str
) -> None:
    watching = await replica(start=False, kinds=(Patient("doc"), Script("gate", Lane.URGENT)))
    with process(postgres_url, "decide") as child:
        await told(child, "open")
        await watching.take([say("doc/1", "a", slow=60, events=[{}]), say("doc/1", "b")])
        await eventually(lambda: claimed(watching))
        child.kill()

    await watching.start()

    assert await logged(watching, "doc/1", 2) == [["said", "a"], ["said", "b"]]
    assert len(await watching.outbox()) == 1
    assert await watching.dead() == []


async def test_a_replica_that_outlived_its_lease_commits_nothing(replica: Replica, postgres_url: str) -> None:
    watching = await replica(start=False, kinds=(Patient("doc"), Script("gate", Lane.URGENT)))
    with process(postgres_url, "decide") as child:
        await told(child, "open")
        await watching.take([say("doc/1", "a", slow=8, events=[{}])])
        await eventually(lambda: claimed(watching))
        await watching.start()
        assert await logged(watching, "doc/1", 1) == [["said", "a"]]

        await told(child, "fenced")

    assert await log_of(watching, "doc/1") == [["said", "a"]]
    assert len(await watching.outbox()) == 1


async def claimed(store: PostgresStore) -> bool:
    return bool(await store._database.fetch("select 1 from key_head where claimed"))


async def test_a_state_older_than_its_head_is_read_again(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    # The claim takes its snapshot and sleeps; meanwhile another replica fires a timer, which moves no message number;
    # then the claim locks the newest head.
    slow = CLAIM.replace("from key_head where lane=0", "from (select pg_sleep(0.5)) z, key_head where lane=0")
    slow = slow.replace("for update skip", "for update of key_head skip")
    assert slow.count("pg_sleep") == 1
    late, quick = [await replica(start=False, kinds=(Ticking("doc"),)) for _ in range(2)]
    await quick.take([say("doc/1", "a")])
    assert await quick._runner._turn()
    found = await quick._database.row("select state from aggregate")
    assert found["state"] == "0"

    with monkeypatch.context() as patched:
        patched.setattr(runner, "CLAIM", slow)
        turn = asyncio.create_task(late._runner._turn())
        await asyncio.sleep(0.2)
    assert await quick._runner._turn()
    assert await quick.state("doc/1") == 1
    assert await turn

    assert await quick.state("doc/1") == 2


async def test_one_replica_leads_and_hands_over_when_it_closes(replica: Replica) -> None:
    first, second = await replica(), await replica()

    assert await first.lead()
    assert not await second.lead()
    assert await first.lead()
    await first.close()

    assert await second.lead()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_leader_that_is_gone_or_frozen_is_replaced(
    replica: Replica, postgres_url: str, end: signal.Signals
) -> None:
    second = await replica()
    with process(postgres_url, "lead") as child:
        await told(child, "leads")
        assert not await second.lead()

        child.send_signal(end)

        async def leads() -> bool:
            return await second.lead()

        await eventually(leads, limit=20.0)
        if end == signal.SIGSTOP:
            child.send_signal(signal.SIGCONT)
            await told(child, "lost")
            await told(child, "follows")
            assert await second.lead()


async def test_who_lost_the_lead_is_told_before_it_reads_or_deletes(replica: Replica) -> None:
    store = await replica()
    await store.take([say("doc/1", "a", events=[{}])])
    await logged(store, "doc/1", 1)
    assert await store.lead()
    rows = await store.outbox()
    lost = "select pg_terminate_backend(pid) from pg_locks where locktype='advisory' and pid<>pg_backend_pid()"
    await store._database.fetch(lost)

    with pytest.raises(UnavailableError):
        await store.sent(rows)
    with pytest.raises(UnavailableError, match="may relay"):
        await store.outbox()

    assert await store.lead()
    assert await store.outbox() == rows
    await store.sent(rows)
    assert await store.outbox() == []
