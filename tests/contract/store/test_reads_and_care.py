from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import MetaData

from shared.errors import UnavailableError
from shared.store import retention
from shared.store.port import Store
from shared.store.schema import Dialect, store_tables
from shared.store.transition import chain
from tests.contract.store.conftest import Opener
from tests.support.kinds import NOTES, eventually, log_of, logged, say


def note(note_id: str, text: str, feed: str = "", **more: int) -> dict[str, object]:
    return {"table": "note", "values": {"id": note_id, "text": text, **more}, "feed": feed}


async def test_a_record_is_inserted_or_changed_by_its_key(store: Store) -> None:
    await store.take([say("doc/1", "a", records=[note("1", "one", size=5), note("2", "two")])])
    await store.take([say("doc/2", "b", records=[note("1", "uno")])])
    await logged(store, "doc/2", 1)
    await logged(store, "doc/1", 1)

    rows = await store.select(NOTES.select().order_by(NOTES.c.id))

    assert {row["id"]: row["size"] for row in rows} == {"1": 5, "2": None}
    assert {row["text"] for row in rows} <= {"one", "uno", "two"}


async def test_statements_of_a_service_run_on_its_own_tables(store: Store) -> None:
    inserted = await store.execute(NOTES.insert().values(id="1", text="x", size=2**40).returning(NOTES.c.id))
    assert inserted == [{"id": "1"}]
    assert await store.execute(NOTES.update().where(NOTES.c.id == "1").values(text="y")) == []
    assert await store.select(NOTES.select().where(NOTES.c.id.in_(["1", "2"]))) == [
        {"id": "1", "text": "y", "size": 2**40}
    ]
    await store.execute(NOTES.delete())
    assert await store.select(NOTES.select()) == []


async def test_the_change_feed_tells_of_commits_in_order(store: Store) -> None:
    assert await store.last_change() == 0
    for i in range(6):
        await store.take([say("doc/1", f"m{i}", records=[note(f"{i}", "x", f"feed-{i}")])])
        await logged(store, "doc/1", i + 1)

    changes = await store.changes(0)

    assert [feed for _, feed in changes] == [f"feed-{i}" for i in range(6)]
    numbers = [n for n, _ in changes]
    assert numbers == sorted(set(numbers))
    assert await store.last_change() == numbers[-1]
    assert await store.changes(numbers[2], limit=2) == changes[3:5]
    assert await store.changes(numbers[-1]) == []


async def test_a_reader_of_the_change_feed_misses_nothing_while_many_write(store: Store) -> None:
    seen: list[str] = []
    messages = [say(f"doc/{i % 20}", f"m{i}", records=[note(f"{i}", "x", f"f{i}")]) for i in range(200)]
    writing = asyncio.gather(*(store.take(messages[start : start + 10]) for start in range(0, 200, 10)))
    place = 0

    async def all_seen() -> bool:
        nonlocal place
        for number, feed in await store.changes(place, limit=7):
            place = number
            seen.append(feed)
        return len(seen) >= 200

    await eventually(all_seen)
    await writing
    assert sorted(seen) == sorted(f"f{i}" for i in range(200))


async def test_a_command_is_answered_after_its_commit(store: Store) -> None:
    assert await store.ask(say("gate/1", "q", reply={"ruling": "granted"})) == {"ruling": "granted"}

    assert await log_of(store, "gate/1") == [["said", "q"]]


async def test_the_same_command_again_gets_the_same_answer_and_is_decided_once(open_store: Opener) -> None:
    store = await open_store()
    assert await store.ask(say("gate/1", "q", reply=1)) == 1
    assert await store.ask(say("gate/1", "q", reply=2)) == 1
    await store.close()

    again = await open_store()

    assert await again.ask(say("gate/1", "q", reply=3)) == 1
    assert await log_of(again, "gate/1") == [["said", "q"]]


async def test_all_who_ask_the_same_at_once_are_answered(store: Store) -> None:
    answers = await asyncio.gather(*(store.ask(say("gate/1", "q", reply="yes")) for _ in range(8)))

    assert answers == ["yes"] * 8


async def test_a_command_that_is_not_answered_is_unavailable_and_still_decided(store: Store) -> None:
    with pytest.raises(UnavailableError, match=r"not answered within 0\.3 s"):
        await store.ask(say("gate/1", "q"), limit=0.3)

    assert await logged(store, "gate/1", 1) == [["said", "q"]]


async def test_the_audit_of_an_aggregate_is_a_chain(open_store: Opener) -> None:
    store = await open_store()
    await store.take([say("doc/1", f"m{i}", audit=[{"n": i}]) for i in range(5)])
    await logged(store, "doc/1", 5)
    await store.close()
    again = await open_store()
    await again.take([say("doc/1", "last", audit=[{"n": 5}, {"n": 6}])])
    await logged(again, "doc/1", 6)

    entries = await again.audit("doc/1")

    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5, 6, 7]
    previous = b""
    for entry in entries:
        assert entry.hash == chain(previous, entry.entry)
        previous = entry.hash
    assert b"m0" in entries[0].entry
    assert await again.audit("doc/2") == []


async def test_retention_removes_only_what_is_old_in_small_steps(store: Store, location: str) -> None:
    dialect: Dialect = "postgresql" if location.startswith("postgres") else "sqlite"
    tables = store_tables(MetaData(), dialect)
    now = await store.now()
    await store.take([say("doc/1", f"m{i}") for i in range(2500)])
    await store.take([say("doc/2", "r", rows={"old": 1}, expires=now - 1)])
    await store.take([say("doc/2", "s", rows={"new": 1}, expires=now + 100)])
    await store.ask(say("doc/2", "old question", reply=1))
    await logged(store, "doc/1", 2500)
    assert await store.take([say("doc/1", "m0")]) == 0
    assert await store.retain() == 1

    await store.execute(tables["seen"].update().values(at=now - retention.SEEN_FOR - 1))
    await store.execute(tables["reply"].update().values(at=now - retention.REPLY_FOR - 1))
    await store.take([say("doc/2", "young")])

    steps = [await store.retain()]
    while steps[-1]:
        steps.append(await store.retain())
    assert sum(steps) == 2504
    assert max(steps) < 2504
    assert await store.take([say("doc/1", "m0"), say("doc/2", "young")]) == 1
    assert await store.rows("doc/2") == {"new": 1}


async def test_a_slow_decide_raises_an_alarm(open_store: Opener) -> None:
    store = await open_store()
    alarms: list[tuple[str, object]] = []
    store.on_alarm(lambda reason, facts: alarms.append((reason, facts["aggregate"])))

    await store.take([say("doc/1", "a", slow=0.1)])
    await logged(store, "doc/1", 1)

    async def alarmed() -> bool:
        return bool(alarms)

    await eventually(alarmed)
    assert alarms == [("slow_decide", "doc/1")]


async def test_a_store_closes_twice_and_then_says_that_it_is_closed(store: Store) -> None:
    await store.close()
    await store.close()

    with pytest.raises(UnavailableError):
        await store.take([say("doc/1", "a")])
