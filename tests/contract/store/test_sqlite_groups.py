"""What the groups of the writer thread do to what is decided in them: undone, done again, put off, divided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from threading import Event

from shared.store.model import JSON, Decision, Incoming, Lane, Message
from shared.store.sqlite.store import SQLiteStore
from shared.store.sqlite.transitions import BATCH_BYTES
from shared.store.sqlite.writer import GROUP_BOX
from tests.support.kinds import KINDS, NOTES, eventually, logged, say


def made(path: Path) -> SQLiteStore:
    return SQLiteStore(path, service="thing", kinds=KINDS, tables=(NOTES,))


async def test_a_refused_decision_takes_nothing_of_its_group_with_it(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    await store.open()
    await store._write(lambda g: g.connection.execute("create unique index one_text on note(text)"))
    bad = [{"table": "note", "values": {"id": one, "text": "the same"}} for one in ("1", "2")]
    await store.start()

    taken = store.take(
        [
            say("doc/1", "before", events=[{}], locals=[["gate/1", "before!", "told", {}]]),
            say("doc/2", "bad", events=[{}], locals=[["gate/1", "bad!", "told", {}]], records=bad),
            say("doc/3", "after", events=[{}], locals=[["gate/1", "after!", "told", {}]]),
        ]
    )
    assert await taken == 3

    log = await logged(store, "gate/1", 2)
    assert [entry[1] for entry in log] == ["before!", "after!"]
    assert [row.id for row in await store.outbox()] == ["thing/doc/1:1", "thing/doc/3:1"]
    assert [(dead.aggregate, dead.id) for dead in await store.dead()] == [("doc/2", "bad")]
    assert store.waiting() == 0
    await store.close()


async def test_a_group_that_is_done_again_decides_on_what_was_there_before_it(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    await store.open()
    await store._write(lambda g: g.connection.execute("create unique index one_text on note(text)"))
    bad = [{"table": "note", "values": {"id": one, "text": "the same"}} for one in ("1", "2")]
    await store.start()
    await store.take([say("gate/1", "first")])
    await logged(store, "gate/1", 1)

    await store.take([say("gate/1", "second"), say("doc/2", "bad", records=bad), say("doc/3", "other")])
    await logged(store, "doc/3", 1)
    await store.take([say("gate/1", "third")])

    assert await logged(store, "gate/1", 3) == [["said", "first"], ["said", "second"], ["said", "third"]]
    assert [dead.id for dead in await store.dead()] == ["bad"]
    await store.close()


async def test_a_group_that_a_full_disk_undoes_decides_again_on_what_was_there_before_it(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    alarms: list[str] = []
    store.on_alarm(lambda reason, _: alarms.append(reason))
    await store.open()
    await store.take([say("gate/1", "a"), say("doc/1", "b", events=[{"body": {"t": "x" * 60_000}}] * 4)])
    pages = await store._write(lambda g: g.connection.execute("pragma page_count").fetchone()[0])
    await store._write(lambda g: g.connection.execute(f"pragma max_page_count={pages + 8}"))

    await store.start()

    async def undone() -> bool:
        return "store_unavailable" in alarms

    await eventually(undone)
    await store._write(lambda g: g.connection.execute("pragma max_page_count=1000000"))

    assert await logged(store, "doc/1", 1) == [["said", "b"]]
    assert await logged(store, "gate/1", 1) == [["said", "a"]]
    assert len(await store.outbox()) == 4
    await store.close()


async def test_large_messages_are_decided_in_smaller_batches_and_in_order(tmp_path: Path) -> None:
    store = made(tmp_path / "thing.db")
    await store.open()
    each = BATCH_BYTES // 4
    await store.take([say("doc/1", f"m{n}", note="x" * each) for n in range(7)])
    await store.take([say("doc/1", "m7", note="x" * BATCH_BYTES), say("doc/1", "m8")])

    await store.start()

    log = await logged(store, "doc/1", 9)
    assert [entry[1] for entry in log] == [f"m{n}" for n in range(9)]
    batches = "select version from aggregate where agg='doc/1'"
    assert await store._write(lambda g: g.connection.execute(batches).fetchone()[0]) == 5  # 3, 3, 1, 1 and 1.
    await store.close()


class Slow:
    """Fills a group with each of its decisions, and says in which order they are made."""

    def __init__(self, name: str, lane: Lane, order: list[str], entered: Event, let_go: Event) -> None:
        self.name, self.lane = name, lane
        self._order, self._entered, self._let_go = order, entered, let_go

    def needs(self, state: JSON, messages: Sequence[Message]) -> Collection[str]:
        del state, messages
        return ()

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        del config, state, rows, now
        self._order.append(messages[0].id)
        self._entered.set()
        self._let_go.wait(30)
        time.sleep(GROUP_BOX + 0.01)
        return Decision({})

    def on_dead(self, state: JSON, message: Message, reason: str) -> Decision:
        del state
        raise AssertionError(f"{message.id}: {reason}")


async def test_a_batch_waits_for_one_group_when_work_waits_and_is_then_decided_without_an_inbox(tmp_path: Path) -> None:
    order: list[str] = []
    entered, let_go = Event(), Event()
    kinds = [Slow("doc", Lane.NORMAL, order, entered, let_go), Slow("gate", Lane.URGENT, order, entered, let_go)]
    store = SQLiteStore(tmp_path / "thing.db", service="thing", kinds=kinds)
    await store.open()
    await store.take([Incoming(f"doc/{n}", f"doc-{n}", "said", b"{}") for n in range(5)])
    await store._write(
        lambda g: g.connection.execute(
            "create trigger no_inbox before insert on inbox begin select raise(abort, 'an inbox is used'); end"
        )
    )
    await store.start()
    await asyncio.to_thread(entered.wait, 30)

    batch = asyncio.create_task(store.take([Incoming("gate/1", "gate-1", "said", b"{}")]))
    await asyncio.sleep(0)
    let_go.set()

    assert await batch == 1
    assert order[:3] == ["doc-0", "doc-1", "gate-1"]
    await store.close()


async def test_what_a_group_brought_is_decided_in_it_although_its_time_is_over(tmp_path: Path) -> None:
    order: list[str] = []
    entered, let_go = Event(), Event()
    let_go.set()
    store = SQLiteStore(
        tmp_path / "thing.db", service="thing", kinds=[Slow("doc", Lane.NORMAL, order, entered, let_go)]
    )
    await store.open()
    await store._write(
        lambda g: g.connection.execute(
            "create trigger no_inbox before insert on inbox begin select raise(abort, 'an inbox is used'); end"
        )
    )
    await store.start()

    assert await store.take([Incoming(f"doc/{n}", f"doc-{n}", "said", b"{}") for n in range(3)]) == 3

    assert sorted(order) == ["doc-0", "doc-1", "doc-2"]
    await store.close()
