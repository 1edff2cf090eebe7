from __future__ import annotations

import asyncio

from shared.store.port import Claimed, Store
from tests.contract.store.conftest import Opener
from tests.support.kinds import eventually, log_of, logged, say

LEASE = 0.5


async def claim(store: Store, *names: str, limit: int = 10) -> list[Claimed]:
    return await store.claim(limit=limit, names=names or ("work",))


async def claim_one(store: Store) -> Claimed:
    async def some() -> list[Claimed]:
        return await claim(store, limit=1)

    return (await eventually(some))[0]


async def begin(store: Store, kind: str = "repeatable", lease: float = 30.0, activity: str = "act-1") -> None:
    given = {"id": activity, "name": "work", "args": {"n": 1}, "kind": kind, "lease": lease}
    await store.take([say("doc/1", f"start {activity}", activities=[given])])


async def test_an_activity_is_claimed_once_and_its_result_reaches_the_aggregate(store: Store) -> None:
    await begin(store)

    claimed = await claim_one(store)

    assert claimed == Claimed("act-1", "doc/1", "repeatable", "work", {"n": 1}, 1, 30.0)
    assert await claim(store) == []
    assert await store.finish(claimed, {"found": 2}) == "done"
    assert (await logged(store, "doc/1", 2))[1] == ["activity.done", "act-1", {"found": 2}]
    assert await store.finish(claimed, {"found": 3}) == "stale"


async def test_activities_are_claimed_by_name_and_up_to_the_limit(store: Store) -> None:
    some = [{"id": f"a{i}", "name": "work", "args": None} for i in range(5)]
    await store.take([say("doc/1", "m", activities=[*some, {"id": "b", "name": "other", "args": None}])])
    await logged(store, "doc/1", 1)

    assert [c.id for c in await claim(store, "other")] == ["b"]
    assert len(await claim(store, limit=3)) == 3
    assert len(await claim(store, "work", "other")) == 2


async def test_two_claimers_never_get_the_same_activity(store: Store) -> None:
    some = [{"id": f"a{i}", "name": "work", "args": None} for i in range(60)]
    await store.take([say("doc/1", "m", activities=some)])
    await logged(store, "doc/1", 1)

    got = await asyncio.gather(*(claim(store, limit=10) for _ in range(8)))

    ids = [c.id for claims in got for c in claims]
    assert sorted(ids) == sorted(f"a{i}" for i in range(60))


async def test_an_activity_does_not_begin_before_its_time(store: Store) -> None:
    start = await store.now() + 0.5
    await store.take([say("doc/1", "m", activities=[{"id": "a", "name": "work", "args": 1, "not_before": start}])])

    await claim_one(store)

    assert await store.now() >= start


async def test_work_is_claimed_in_the_order_it_is_due_whatever_its_kind(store: Store) -> None:
    for n, kind in enumerate(("repeatable", "once", "repeatable")):
        await begin(store, kind, activity=f"a{n}")
        await logged(store, "doc/1", n + 1)

    assert [(await claim_one(store)).id for _ in range(3)] == ["a0", "a1", "a2"]


async def test_the_same_id_begun_twice_runs_once(store: Store) -> None:
    given = {"id": "a", "name": "work", "args": None}
    await store.take([say("doc/1", "m", activities=[given]), say("doc/1", "n", activities=[given])])
    await logged(store, "doc/1", 2)

    assert len(await claim(store)) == 1
    assert await claim(store) == []


async def test_repeatable_work_is_claimed_again_when_its_lease_ends_and_only_the_newest_counts(store: Store) -> None:
    await begin(store, lease=LEASE)
    first = await claim_one(store)

    second = await claim_one(store)

    assert (first.fence, second.fence) == (1, 2)
    assert await store.renew(first) is False
    assert await store.finish(first, "old") == "stale"
    assert await store.finish(second, "new") == "done"
    assert await logged(store, "doc/1", 2) == [["said", "start act-1"], ["activity.done", "act-1", "new"]]


async def test_a_repeatable_result_counts_after_its_lease_while_nobody_claimed_again(store: Store) -> None:
    await begin(store, lease=0.2)
    claimed = await claim_one(store)
    await asyncio.sleep(0.4)

    assert await store.finish(claimed, "slow") == "done"


async def test_a_lease_that_ended_cannot_be_renewed(store: Store) -> None:
    await begin(store, lease=0.2)
    claimed = await claim_one(store)
    await asyncio.sleep(0.4)

    assert await store.renew(claimed) is False


async def test_once_work_is_lost_when_its_lease_ends_and_never_claimed_again(store: Store) -> None:
    await begin(store, kind="once", lease=LEASE)
    claimed = await claim_one(store)

    async def lost() -> bool:
        assert await claim(store) == []
        return len(await log_of(store, "doc/1")) == 2

    await eventually(lost)

    assert await store.renew(claimed) is False
    assert (await log_of(store, "doc/1"))[1] == ["activity.lost", "act-1", None]
    assert await store.finish(claimed, "too late") == "late"
    assert (await logged(store, "doc/1", 3))[2] == ["activity.late", "act-1", "too late"]
    assert await store.finish(claimed, "again") == "stale"


async def test_a_once_result_after_its_lease_is_late_although_nobody_has_looked_for_lost_work(store: Store) -> None:
    await begin(store, kind="once", lease=LEASE)
    claimed = await claim_one(store)
    await asyncio.sleep(2 * LEASE)

    assert await store.finish(claimed, "too late") == "late"
    told = await logged(store, "doc/1", 3)
    assert told[1:] == [["activity.lost", "act-1", None], ["activity.late", "act-1", "too late"]]
    assert await store.finish(claimed, "again") == "stale"
    assert await claim(store) == []
    assert len(await log_of(store, "doc/1")) == 3


async def test_renewing_keeps_a_lease_and_ends_with_it(store: Store) -> None:
    await begin(store, kind="once", lease=2.0)
    claimed = await claim_one(store)

    end = await store.now() + 2.4
    while await store.now() < end:
        assert await store.renew(claimed) is True
        await asyncio.sleep(0.05)

    assert await store.finish(claimed, "ok") == "done"
    assert await store.renew(claimed) is False


async def test_once_work_that_was_claimed_before_a_restart_is_lost_after_it(open_store: Opener) -> None:
    store = await open_store()
    await begin(store, kind="once", lease=LEASE)
    await claim_one(store)
    await store.close()

    again = await open_store()

    async def lost() -> bool:
        assert await claim(again) == []
        return len(await log_of(again, "doc/1")) == 2

    await eventually(lost)
    assert (await log_of(again, "doc/1"))[1] == ["activity.lost", "act-1", None]


async def test_once_work_is_not_claimed_again_even_while_nothing_is_decided(open_store: Opener) -> None:
    store = await open_store()
    await begin(store, kind="once", lease=0.2)
    await claim_one(store)
    await store.close()

    again = await open_store(start=False)
    await asyncio.sleep(0.4)

    assert await claim(again) == []


async def test_released_work_is_claimed_again_after_the_delay(store: Store) -> None:
    await begin(store)
    claimed = await claim_one(store)
    back = await store.now() + 0.4

    assert await store.release(claimed, delay=0.4) is True
    assert await store.release(claimed, delay=0.4) is False

    again = await claim_one(store)
    assert await store.now() >= back
    assert again.fence == 2
    assert await store.finish(claimed, "old") == "stale"


async def test_once_work_cannot_be_released(store: Store) -> None:
    await begin(store, kind="once")
    claimed = await claim_one(store)

    assert await store.release(claimed, delay=0.0) is False
    assert await store.finish(claimed, "ok") == "done"


async def test_waiting_for_activities_ends_when_one_begins(store: Store) -> None:
    assert await claim(store) == []
    waiting = asyncio.create_task(store.wait_activities(30.0, names=["work"]))
    await asyncio.sleep(0.05)

    await begin(store)

    async with asyncio.timeout(10):
        await waiting


async def test_work_that_begins_between_a_look_and_the_wait_is_not_missed_because_another_was_woken(
    store: Store,
) -> None:
    assert await claim(store, "work") == []
    assert await claim(store, "other") == []
    other = asyncio.create_task(store.wait_activities(30.0, names=["other"]))
    await begin(store)
    await other
    await asyncio.sleep(0.25)  # Long enough that the work counts no longer as just due.

    async with asyncio.timeout(10):
        await store.wait_activities(30.0, names=["work"])
    assert len(await claim(store, "work")) == 1
