from __future__ import annotations

import asyncio

from shared.store.port import Store
from tests.contract.store.conftest import Opener
from tests.support.kinds import log_of, logged, say


async def test_a_timer_fires_once_and_never_early(store: Store) -> None:
    due = await store.now() + 0.4
    await store.take([say("doc/1", "a", timers={"t": due})])

    while len(log := await log_of(store, "doc/1")) < 2:
        assert await store.now() < due + 10
        await asyncio.sleep(0.005)

    assert await store.now() >= due
    assert log == [["said", "a"], ["timer", "t", "a"]]
    await store.take([say("doc/1", "b", timers={"u": 0.2})])
    assert await logged(store, "doc/1", 4) == [*log, ["said", "b"], ["timer", "u", "b"]]


async def test_setting_a_timer_again_replaces_it(store: Store) -> None:
    await store.take([say("doc/1", "a", timers={"t": 1.5})])
    await store.take([say("doc/1", "b", timers={"t": 0.2, "end": 1.7})])

    log = await logged(store, "doc/1", 4)

    assert log[2:] == [["timer", "t", "b"], ["timer", "end", "b"]]


async def test_a_cancelled_timer_does_not_fire(store: Store) -> None:
    await store.take([say("doc/1", "a", timers={"t": 1.5})])
    await store.take([say("doc/1", "b", timers={"t": None, "end": 1.7})])

    assert await logged(store, "doc/1", 3) == [["said", "a"], ["said", "b"], ["timer", "end", "b"]]


async def test_a_timer_due_in_the_past_fires_at_once(store: Store) -> None:
    await store.take([say("doc/1", "a", timers={"t": await store.now() - 100})])

    assert (await logged(store, "doc/1", 2))[1] == ["timer", "t", "a"]


async def test_due_timers_come_after_what_waits_and_in_the_order_of_their_times(open_store: Opener) -> None:
    store = await open_store()
    now = await store.now()
    await store.take([say("doc/1", "a", timers={"late": now + 1.6, "early": now + 1.5})])
    await logged(store, "doc/1", 1)
    await store.close()
    await asyncio.sleep(1.6)

    again = await open_store(start=False)
    await again.take([say("doc/1", "b")])
    await again.start()

    log = await logged(again, "doc/1", 4)
    assert [entry[1] for entry in log] == ["a", "b", "early", "late"]


async def test_timers_survive_a_restart(open_store: Opener) -> None:
    store = await open_store()
    due = await store.now() + 1.0
    await store.take([say("doc/1", "a", timers={"t": due})])
    await logged(store, "doc/1", 1)
    await store.close()

    again = await open_store()

    assert await logged(again, "doc/1", 2) == [["said", "a"], ["timer", "t", "a"]]
    assert await again.now() >= due


async def test_many_timers_all_fire(store: Store) -> None:
    await store.take([say(f"doc/{i}", f"m{i}", timers={"t": 0.05 + (i % 10) / 20}) for i in range(200)])

    for i in range(200):
        assert (await logged(store, f"doc/{i}", 2))[1] == ["timer", "t", f"m{i}"]


async def test_now_never_goes_back(store: Store) -> None:
    times = [await store.now() for _ in range(200)]

    assert times == sorted(times)
