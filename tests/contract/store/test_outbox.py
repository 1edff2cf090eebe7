from __future__ import annotations

import asyncio

from shared.store.port import Outbound, Store
from tests.contract.store.conftest import Opener
from tests.support.kinds import eventually, logged, say


async def filled(store: Store, count: int) -> list[Outbound]:
    async def enough() -> list[Outbound]:
        rows = await store.outbox(limit=1000)
        return rows if len(rows) >= count else []

    return await eventually(enough)


async def test_events_wait_in_the_order_of_their_aggregate_with_ids_that_follow_from_it(store: Store) -> None:
    for i in range(10):
        await store.take([say("doc/1", f"m{i}", events=[{"key": "k1", "body": {"n": i}}])])

    rows = await filled(store, 10)

    assert [row.id for row in rows] == [f"thing/doc/1:{i + 1}" for i in range(10)]
    assert [row.body for row in rows] == [b'{"n":%d}' % i for i in range(10)]
    first = rows[0]
    assert (first.aggregate, first.topic, first.key) == ("doc/1", "things.v1", "k1")
    assert {name: first.headers[name] for name in ("ce_id", "ce_type", "ce_source", "ce_subject")} == {
        "ce_id": "thing/doc/1:1",
        "ce_type": "thing.happened.v1",
        "ce_source": "signoff/thing",
        "ce_subject": "k1",
    }


async def test_exactly_the_sent_rows_go(store: Store) -> None:
    await store.take([say(f"doc/{i}", f"m{i}", events=[{"key": f"k{i}"}]) for i in range(5)])
    rows = await filled(store, 5)

    await store.sent([rows[0], rows[3]])

    assert [row.n for row in await store.outbox()] == [rows[1].n, rows[2].n, rows[4].n]
    assert len(await store.outbox(limit=2)) == 2


async def test_the_rows_of_a_parked_key_wait_and_the_others_go_on(open_store: Opener) -> None:
    store = await open_store()
    alarms: list[str] = []
    store.on_alarm(lambda reason, _: alarms.append(reason))
    await store.take([say(f"doc/{i % 2}", f"m{i}", events=[{"key": f"k{i % 2}"}]) for i in range(6)])
    await filled(store, 6)

    await store.park_key("things.v1", "k0", "too large")
    await store.park_key("things.v1", "k0", "too large")
    assert {row.key for row in await store.outbox()} == {"k1"}
    assert "key_parked" in alarms
    await store.close()

    again = await open_store()
    assert {row.key for row in await again.outbox()} == {"k1"}
    await again.unpark_key("things.v1", "k0")
    rows = await again.outbox()
    assert [row.id for row in rows if row.key == "k0"] == [f"thing/doc/0:{i}" for i in (1, 2, 3)]


async def test_a_read_of_the_outbox_is_bounded(store: Store) -> None:
    text = "x" * 60_000
    await store.take([say("doc/1", f"m{i}", events=[{"body": {"t": text}}]) for i in range(30)])
    await logged(store, "doc/1", 30)

    rows = await store.outbox()

    assert 1 <= len(rows) < 30
    assert sum(len(row.body) for row in rows) <= 1024 * 1024
    assert [row.id for row in rows] == [f"thing/doc/1:{i + 1}" for i in range(len(rows))]


async def test_waiting_for_the_outbox_ends_when_there_is_something_to_send(store: Store) -> None:
    await store.wait_outbox(0.01)
    waiting = asyncio.create_task(store.wait_outbox(30.0))
    await asyncio.sleep(0.05)

    await store.take([say("doc/1", "m", events=[{}])])

    async with asyncio.timeout(10):
        await waiting


async def test_more_than_is_kept_in_memory_goes_out_in_order_each_row_once(store: Store) -> None:
    count, sent = 2_300, list[str]()
    await store.outbox()
    for start in range(0, count, 100):
        await store.take([say("doc/1", f"m{i}", events=[{}]) for i in range(start, start + 100)])

    async def gone() -> bool:
        rows = await store.outbox()
        await store.sent(rows)
        sent.extend(row.id for row in rows)
        return len(sent) >= count

    await eventually(gone)
    assert sent == [f"thing/doc/1:{i + 1}" for i in range(count)]
    assert await store.outbox() == []
    await store.take([say("doc/1", "last", events=[{}])])
    assert [row.id for row in await filled(store, 1)] == [f"thing/doc/1:{count + 1}"]


async def test_numbers_go_on_after_a_restart(open_store: Opener) -> None:
    store = await open_store()
    await store.take([say("doc/1", "a", events=[{}, {}])])
    await store.sent(await filled(store, 2))
    await store.close()

    again = await open_store()
    await again.take([say("doc/1", "b", events=[{}])])

    assert [row.id for row in await filled(again, 1)] == ["thing/doc/1:3"]


async def test_an_event_sent_again_keeps_its_id_and_says_so(store: Store) -> None:
    await store.take([say("doc/1", "a", events=[{"id": "thing/doc/1:9", "resend": 2}])])

    (row,) = await filled(store, 1)

    assert (row.id, row.headers["ce_id"], row.headers["ce_resend"]) == ("thing/doc/1:9", "thing/doc/1:9", "2")


async def test_one_process_leads(store: Store) -> None:
    async def leads() -> bool:
        return await store.lead()

    assert await eventually(leads)
    assert await store.lead()
