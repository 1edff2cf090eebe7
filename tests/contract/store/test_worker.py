from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from shared.errors import RefusedError, UnavailableError
from shared.store import worker as worker_module
from shared.store.model import JSON
from shared.store.port import Claimed, Store
from shared.store.worker import ActivityWorker, Handler, Renew
from shared.telemetry.redacting import Redactor
from tests.support.kinds import logged, say

Started = Callable[[Mapping[str, Handler]], ActivityWorker]


@pytest.fixture
async def work(store: Store) -> AsyncIterator[Started]:
    """Start a worker on `store` with these handlers."""
    started: list[ActivityWorker] = []

    def start(handlers: Mapping[str, Handler]) -> ActivityWorker:
        worker = ActivityWorker(store, handlers)
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        await worker.stop()


@pytest.fixture
def counted(store: Store, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, list[str]]:
    """The store, and the ids of the work whose lease it was asked to renew."""
    asked: list[str] = []
    renew = store.renew

    async def counting(claimed: Claimed) -> bool:
        asked.append(claimed.id)
        return await renew(claimed)

    monkeypatch.setattr(store, "renew", counting)
    return store, asked


async def begin(store: Store, kind: str = "repeatable", lease: float = 30.0, count: int = 1) -> None:
    some = [{"id": f"a{i}", "name": "work", "args": i, "kind": kind, "lease": lease} for i in range(count)]
    await store.take([say("doc/1", "start", activities=some)])


async def test_results_of_handlers_reach_the_aggregate(store: Store, work: Started) -> None:
    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        assert await renew()
        return claimed.args * 2

    work({"work": handler})
    await begin(store, count=20)

    log = await logged(store, "doc/1", 21)
    assert sorted(log[1:]) == sorted(["activity.done", f"a{i}", i * 2] for i in range(20))


async def test_at_most_as_many_run_at_once_as_asked(store: Store) -> None:
    running, most = 0, 0

    async def handler(claimed: Claimed, _: Renew) -> JSON:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return claimed.fence

    worker = ActivityWorker(store, {"work": handler}, concurrency=3)
    worker.start()
    await begin(store, count=12)
    await logged(store, "doc/1", 13)
    await worker.stop()

    assert most == 3


@pytest.mark.parametrize(
    "kind, young, looks",
    [
        pytest.param("repeatable", 0.25, 0, id="what may be repeated and was just claimed is ours without a look"),
        pytest.param("repeatable", 0.0, 1, id="later in its lease the database is asked"),
        pytest.param("once", 0.25, 1, id="what may be done once is always asked for"),
    ],
)
async def test_a_renewal_asks_the_database_unless_nobody_else_can_have_claimed(
    counted: tuple[Store, list[str]], monkeypatch: pytest.MonkeyPatch, kind: str, young: float, looks: int
) -> None:
    monkeypatch.setattr(worker_module, "YOUNG", young)
    store, asked = counted

    async def handler(_: Claimed, renew: Renew) -> JSON:
        return await renew()

    worker = ActivityWorker(store, {"work": handler})
    worker.start()
    await begin(store, kind, lease=300.0)

    assert (await logged(store, "doc/1", 2))[1] == ["activity.done", "a0", True]
    assert len(asked) == looks
    await worker.stop()


async def test_a_repeatable_call_that_may_succeed_later_is_made_again(store: Store, work: Started) -> None:
    fences: list[int] = []

    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        fences.append(claimed.fence)
        if len(fences) < 3 and await renew():
            raise UnavailableError("vendor away")
        return "ok"

    work({"work": handler})
    await begin(store)

    assert (await logged(store, "doc/1", 2))[1] == ["activity.done", "a0", "ok"]
    assert fences == [1, 2, 3]


@pytest.mark.parametrize("kind", ["repeatable", "once"])
async def test_a_refusal_is_the_result(store: Store, work: Started, kind: str) -> None:
    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        raise RefusedError(f"not {claimed.id}, {await renew()}")

    work({"work": handler})
    await begin(store, kind=kind)

    error = {"error": {"reason": "refused", "detail": "not a0, True"}}
    assert (await logged(store, "doc/1", 2))[1] == ["activity.done", "a0", error]


async def test_a_bug_in_repeatable_work_is_the_result(store: Store, work: Started) -> None:
    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        raise KeyError(f"{claimed.id} {await renew()}")

    work({"work": handler})
    await begin(store)

    (entry,) = (await logged(store, "doc/1", 2))[1:]
    assert entry[2]["error"]["reason"] == "bug"


@pytest.mark.parametrize("error", [RefusedError, ValueError])
async def test_an_error_that_repeats_a_secret_is_told_without_it(store: Store, error: type[Exception]) -> None:
    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        raise error(f"{claimed.id} {await renew()}: ghp_{'a' * 36} and s3cret-of-ours")

    worker = ActivityWorker(store, {"work": handler}, redactor=Redactor(["s3cret-of-ours"]))
    worker.start()
    await begin(store)

    (entry,) = (await logged(store, "doc/1", 2))[1:]
    await worker.stop()
    assert entry[2]["error"]["detail"] == "a0 True: [redacted] and [redacted]"


@pytest.mark.parametrize("error", [UnavailableError("no answer"), ValueError("bug")], ids=["unknown", "bug"])
async def test_once_work_whose_outcome_nobody_knows_is_lost_never_repeated(
    store: Store, work: Started, error: Exception
) -> None:
    calls = 0

    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        nonlocal calls
        calls += 1
        assert await renew(), claimed
        raise error

    work({"work": handler})
    await begin(store, kind="once", lease=0.5)

    assert (await logged(store, "doc/1", 2))[1] == ["activity.lost", "a0", None]
    assert calls == 1


async def test_stopping_waits_for_what_runs(store: Store, work: Started) -> None:
    async def handler(claimed: Claimed, renew: Renew) -> JSON:
        begun.set()
        await asyncio.sleep(0.2)
        return [claimed.id, await renew()]

    begun = asyncio.Event()
    worker = work({"work": handler})
    await begin(store)
    await begun.wait()

    await worker.stop()
    await worker.stop()

    assert (await logged(store, "doc/1", 2))[1] == ["activity.done", "a0", ["a0", True]]
