from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from shared.errors import ConfigurationError
from shared.store.model import BATCH_MAX, JSON, Decision, Incoming, Lane, Message
from shared.store.port import Store
from tests.contract.store.conftest import Opener
from tests.support.kinds import Script, eventually, log_of, logged, say


class Watched(Script):
    """Notes, over all its aggregates, in which order batches were decided."""

    def __init__(self, name: str, order: list[tuple[str, int]], lane: Lane = Lane.NORMAL) -> None:
        super().__init__(name, lane)
        self._order = order

    def decide(
        self, config: JSON, state: JSON, rows: Mapping[str, JSON], messages: Sequence[Message], now: float
    ) -> Decision:
        self._order.append((messages[0].id, len(messages)))
        return super().decide(config, state, rows, messages, now)


async def test_messages_of_an_aggregate_are_decided_in_the_order_they_were_taken(store: Store) -> None:
    for start in range(0, 300, 50):
        await store.take([say(f"doc/{i % 5}", f"m{i:03}") for i in range(start, start + 50)])

    for n in range(5):
        log = await logged(store, f"doc/{n}", 60)
        assert [entry[1] for entry in log] == [f"m{i:03}" for i in range(n, 300, 5)]


async def test_concurrent_takes_lose_nothing_and_keep_the_order_of_each(store: Store) -> None:
    calls = [[say("doc/1", f"{caller}-{i:02}") for i in range(20)] for caller in range(8)]

    assert await asyncio.gather(*(store.take(call) for call in calls)) == [20] * 8

    ids = [entry[1] for entry in await logged(store, "doc/1", 160)]
    assert len(ids) == 160
    for caller in range(8):
        assert [i for i in ids if i.startswith(f"{caller}-")] == [f"{caller}-{i:02}" for i in range(20)]


async def test_more_than_one_batch_taken_at_once_keeps_its_order(store: Store) -> None:
    assert await store.take([say("doc/1", f"m{i:04}") for i in range(2 * BATCH_MAX + 100)]) == 2 * BATCH_MAX + 100

    log = await logged(store, "doc/1", 2 * BATCH_MAX + 100)
    assert [entry[1] for entry in log] == [f"m{i:04}" for i in range(2 * BATCH_MAX + 100)]
    assert store.waiting() == 0


async def test_more_aggregates_than_a_group_takes_are_each_decided_in_order(open_store: Opener) -> None:
    names = [f"doc/{n}" for n in range(70)]
    store = await open_store(start=False)
    await store.take([say(name, f"{name}-1") for name in names])
    await store.take([say(name, f"{name}-2", fail="bad") for name in names])
    await store.start()
    await store.take([say(name, f"{name}-{n}") for n in (3, 4) for name in names])

    for name in names:
        log = await logged(store, name, 4)
        assert [entry[1] for entry in log] == [f"{name}-{n}" for n in (1, 2, 3, 4)]
        assert [entry[0] for entry in log] == ["said", "dead", "said", "said"]
    assert store.waiting() == 0


async def test_what_an_aggregate_sends_to_itself_follows_what_waits(open_store: Opener) -> None:
    store = await open_store(start=False)
    await store.take([say("doc/1", "a", locals=[["doc/1", "a!", "told", {}]]), say("doc/1", "b")])

    await store.start()
    assert [entry[1] for entry in await logged(store, "doc/1", 3)] == ["a", "b", "a!"]
    await store.take([say("doc/1", "c", locals=[["doc/1", "c!", "told", {}]])])

    assert [entry[1] for entry in await logged(store, "doc/1", 5)] == ["a", "b", "a!", "c", "c!"]
    assert store.waiting() == 0


async def test_an_id_is_taken_once(store: Store) -> None:
    assert await store.take([say("doc/1", "a"), say("doc/1", "a"), say("doc/1", "b")]) == 2
    assert await store.take([say("doc/1", "a"), say("doc/1", "c")]) == 1

    assert [entry[1] for entry in await logged(store, "doc/1", 3)] == ["a", "b", "c"]


async def test_an_id_is_taken_once_across_a_restart(open_store: Opener) -> None:
    first = await open_store()
    await first.take([say("doc/1", "a")])
    await first.close()

    again = await open_store()

    assert await again.take([say("doc/1", "a"), say("doc/1", "b")]) == 1


async def test_a_resend_reaches_the_aggregate_once_and_is_told_apart(store: Store) -> None:
    assert await store.take([say("doc/1", "a", tell_meta=True)]) == 1
    assert await store.take([say("doc/1", "a", resend=1, tell_meta=True)]) == 1
    assert await store.take([say("doc/1", "a", resend=1, tell_meta=True)]) == 0

    assert await logged(store, "doc/1", 2) == [["said", "a", {}], ["said", "a", {"resend": "1"}]]


async def test_the_envelope_reaches_the_aggregate(store: Store) -> None:
    meta = {"environment": "sim:r1", "causation": "c", "traceparent": "00-1-2-01"}

    await store.take([Incoming("doc/1", "a", "said", b'{"tell_meta": true}', meta)])

    assert await logged(store, "doc/1", 1) == [["said", "a", meta]]


async def test_the_position_of_a_subscription_is_kept_with_its_messages(open_store: Opener) -> None:
    store = await open_store()
    assert await store.position("thing.alerts") == 0
    await store.take([say("doc/1", "a")], subscription="thing.alerts", offset=7)
    await store.take([], subscription="thing.alerts", offset=9)
    await store.take([say("doc/1", "b")], subscription="thing.other", offset=3)
    await store.close()

    again = await open_store()

    assert [await again.position("thing.alerts"), await again.position("thing.other")] == [9, 3]


async def test_an_aggregate_of_an_unknown_kind_is_refused_by_name(store: Store) -> None:
    with pytest.raises(ConfigurationError, match=r"no kind of aggregate for 'dog/1'; it has: doc, gate"):
        await store.take([say("dog/1", "a")])


async def test_text_no_database_takes_does_not_stop_the_intake(store: Store) -> None:
    odd = Incoming("doc/1", "a\0b", "sa\0id", b"{}", {"source": "x\0\ud800"})

    assert await store.take([odd, say("doc/1", "next")]) == 2
    assert await store.take([odd]) == 0

    assert await logged(store, "doc/1", 2) == [["sa\ufffdid", "a\ufffdb"], ["said", "next"]]


async def test_what_waits_is_counted_and_counted_again_after_a_restart(open_store: Opener) -> None:
    store = await open_store(start=False)
    await store.take([say(f"doc/{i % 3}", f"m{i}") for i in range(30)])
    assert store.waiting() == 30
    await store.close()

    again = await open_store(start=False)
    assert again.waiting() == 30
    await again.start()

    async def idle() -> bool:
        return again.waiting() == 0

    assert await eventually(idle)
    assert sum([len(await log_of(again, f"doc/{n}")) for n in range(3)]) == 30


async def test_urgent_aggregates_are_decided_before_a_backlog(open_store: Opener) -> None:
    order: list[tuple[str, int]] = []
    kinds = (Watched("doc", order), Watched("gate", order, Lane.URGENT))
    store = await open_store(start=False, kinds=kinds)
    await store.take([say(f"doc/{i}", f"m{i}") for i in range(400)])
    await store.take([say("gate/1", "urgent")])

    await store.start()

    await logged(store, "gate/1", 1)
    assert [message for message, _ in order].index("urgent") < 64


async def test_a_long_inbox_does_not_hold_up_other_aggregates(open_store: Opener) -> None:
    order: list[tuple[str, int]] = []
    store = await open_store(start=False, kinds=(Watched("doc", order), Script("gate")))
    await store.take([say("doc/long", f"m{i}") for i in range(2_000)])
    await store.take([say("doc/short", "short")])

    await store.start()

    assert len(await logged(store, "doc/long", 2_000)) == 2_000
    before = order[: [message for message, _ in order].index("short")]
    assert sum(count for _, count in before) < 2_000
    assert max(count for _, count in order) <= 500


async def test_a_local_message_reaches_its_sibling_with_the_commit(store: Store) -> None:
    await store.take([say("doc/1", "a", locals=[["gate/1", "a!open", "open", {"tell_meta": True}]])])

    assert await logged(store, "gate/1", 1) == [["open", "a!open", {}]]


async def test_an_aggregate_may_write_to_itself(store: Store) -> None:
    await store.take([say("doc/1", "a", locals=[["doc/1", "a!again", "again", {}]]), say("doc/1", "b")])

    assert [entry[1] for entry in await logged(store, "doc/1", 3)] == ["a", "b", "a!again"]


async def test_aggregates_that_write_to_each_other_do_not_lock_each_other(store: Store) -> None:
    for n in range(60):
        pair = (f"doc/{n % 2}", f"doc/{(n + 1) % 2}")
        await store.take([say(pair[0], f"m{n}", locals=[[pair[1], f"m{n}!other", "other", {}]])])

    logs = [await logged(store, f"doc/{n}", 60) for n in range(2)]
    assert [len(log) for log in logs] == [60, 60]


async def test_rows_are_given_to_who_needs_them_and_go_when_they_expire(store: Store) -> None:
    now = await store.now()
    await store.take([say("doc/1", "a", rows={"k": 1, "l": {"x": 2}}), say("doc/1", "b", read=["k", "m"])])
    await store.take([say("doc/1", "c", rows={"old": 1}, expires=now - 1)])
    await logged(store, "doc/1", 3)
    await store.take([say("doc/1", "d", read=["k", "l", "old"], rows={"k": None})])

    log = await logged(store, "doc/1", 4)

    assert log[1] == ["said", "b", {"k": 1, "m": None}]
    assert log[3] == ["said", "d", {"k": 1, "l": {"x": 2}, "old": None}]
    assert await store.rows("doc/1") == {"l": {"x": 2}}
    assert await store.rows("doc/1", "m") == {}
    assert await store.rows("doc/2") == {}


async def test_a_new_configuration_counts_from_the_next_transition(open_store: Opener) -> None:
    store = await open_store(config={"rules": 1}, config_sha256="one")
    await store.take([say("doc/1", "a", tell_config=True, audit=["x"])])
    await logged(store, "doc/1", 1)

    store.configure({"rules": 2}, "two")
    await store.take([say("doc/1", "b", tell_config=True, audit=["y"])])

    assert [entry[2] for entry in await logged(store, "doc/1", 2)] == [{"rules": 1}, {"rules": 2}]
    assert [b'"config":"one"' in e.entry for e in await store.audit("doc/1")] == [True, False]


async def test_states_are_listed_by_kind(store: Store) -> None:
    await store.take([say("doc/1", "a"), say("doc/2", "b"), say("gate/1", "c")])
    await logged(store, "doc/1", 1)
    await logged(store, "doc/2", 1)

    assert await store.states("doc") == {"doc/1": {"log": [["said", "a"]]}, "doc/2": {"log": [["said", "b"]]}}
    assert await store.states("do") == {}
    assert await store.state("doc/9") is None
