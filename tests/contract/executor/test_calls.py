"""The one activity that changes something: at most once, and never hiding a doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.executor.domain.work import Call
from shared.errors import UnavailableError
from shared.store.factory import open_store
from shared.store.port import Claimed, Store
from tests.contract.executor.conftest import HOST, PID, PROJECT, Place
from tests.support.kinds import KINDS, eventually, log_of, say

VERB = "host/restart-process@v1"


def call_of(place: Place, **changes: Any) -> Call:  # noqa: ANN401 -- fields of a call
    call: Call = {
        "environment": place.environment,
        "incident_id": "INC-AAAAAAAAAA",
        "execution_id": "exe-1",
        "step_id": "restart",
        "rollback": False,
        "verb": VERB,
        "target": HOST,
        "arguments": {"process": "storefront", "pid": PID, "service": "storefront"},
        "token": "tok-1",
        "limit": 5.0,
        "begin_by": 60.0,
    }
    return {**call, **changes}  # type: ignore[typeddict-item]  # a test may break it


def claimed_for(call: Call) -> Claimed:
    return Claimed("a", "incident/INC-AAAAAAAAAA", "once", "call", call, 1, call["limit"] + 30.0)


async def ours() -> bool:
    return True


async def test_a_call_is_made_with_the_token_that_marks_it(place: Place) -> None:
    result = await place.calling.call(claimed_for(call_of(place)), ours)
    assert result == {"execution_id": "exe-1", "step_id": "restart", "outcome": "succeeded", "detail": "done"}
    (done,) = place.done
    assert (done.verb, done.target, done.token, done.applied) == (VERB, HOST, "tok-1", True)


@pytest.mark.parametrize(
    "changes, detail",
    [
        pytest.param({"verb": "host/paint@v1"}, "unknown verb 'host/paint@v1'", id="an unknown verb"),
        pytest.param(
            {"environment": "live"},
            "nothing can be changed in environment 'live'",
            id="an environment without actuator",
        ),
        pytest.param(
            {"begin_by": -1.0},
            "the time in which it may begin is over, so nothing was sent",
            id="an intent from before the process was away",
        ),
    ],
)
async def test_what_cannot_be_sent_fails_safely_and_reaches_nobody(
    place: Place, changes: dict[str, Any], detail: str
) -> None:
    result = await place.calling.call(claimed_for(call_of(place, **changes)), ours)
    assert (result["outcome"], result["detail"]) == ("failed_safe", detail)
    assert "calls" not in place.line.asked


async def test_what_the_vendor_refuses_is_proven_to_have_done_nothing(place: Place) -> None:
    result = await place.calling.call(claimed_for(call_of(place, arguments={"process": "storefront", "pid": 1})), ours)
    assert result["outcome"] == "failed_safe"
    assert result["detail"] == f"process storefront has pid {PID}, not 1"


async def test_a_lost_answer_is_a_doubt_and_no_second_call(place: Place) -> None:
    place.line.loses_answers = True
    result = await place.calling.call(claimed_for(call_of(place)), ours)
    assert result["outcome"] == "unknown"
    assert len(place.done) == 1
    assert place.line.asked.count("calls") == 1


async def test_no_answer_in_time_is_a_doubt(place: Place) -> None:
    place.line.holds_answers = asyncio.Event()
    result = await place.calling.call(claimed_for(call_of(place, limit=0.2)), ours)
    assert result["outcome"] == "unknown"


async def test_a_broken_answer_is_a_doubt(place: Place) -> None:
    place.line.is_down = True
    assert (await place.calling.call(claimed_for(call_of(place)), ours))["outcome"] == "unknown"
    result = await place.calling.call(claimed_for(call_of(place, arguments=None)), ours)
    assert (result["outcome"], result["detail"][:14]) == ("unknown", "AttributeError")


@pytest.fixture
async def store(location: str | Path) -> AsyncIterator[Store]:
    store = open_store(location, service="executor", kinds=KINDS)
    await store.open()
    await store.start()
    yield store
    await store.close()


async def claim(store: Store, call: Call, lease: float) -> Claimed:
    activity = {"id": "a", "name": "call", "args": call, "kind": "once", "lease": lease}
    await store.take([say("doc/1", "start", activities=[activity])])

    async def found() -> list[Claimed]:
        return await store.claim(limit=1, names=["call"])

    return (await eventually(found))[0]


async def test_the_lease_is_renewed_right_before_the_bytes_go_out(place: Place, store: Store) -> None:
    claimed = await claim(store, call_of(place), lease=1.0)
    result = await place.calling.call(claimed, lambda: store.renew(claimed))
    assert result["outcome"] == "succeeded"
    assert await store.finish(claimed, result) == "done"


async def test_whose_lease_has_ended_calls_nothing(place: Place, store: Store) -> None:
    claimed = await claim(store, call_of(place), lease=0.2)

    async def lost() -> bool:
        assert not await store.claim(limit=1, names=["call"])
        return ["activity.lost", "a", None] in await log_of(store, "doc/1")

    await eventually(lost)
    result = await place.calling.call(claimed, lambda: store.renew(claimed))
    assert (result["outcome"], result["detail"]) == (
        "failed_safe",
        "the lease could not be renewed, so nothing was sent",
    )
    assert not place.done


async def test_while_the_database_is_away_nothing_is_called(place: Place) -> None:
    async def away() -> bool:
        raise UnavailableError("the database is away")

    result = await place.calling.call(claimed_for(call_of(place)), away)
    assert result["outcome"] == "failed_safe"
    assert not place.done


def test_only_actions_name_the_capability_that_changes_infrastructure() -> None:
    declared = {"shared/integrations/acting.py", "shared/integrations/registry.py", "simulation/providers/acting.py"}
    named = {
        path.relative_to(PROJECT).as_posix()
        for folder in ("services", "shared", "simulation", "cli")
        for path in (PROJECT / folder).rglob("*.py")
        if "InfrastructureActuator" in path.read_text()
    }
    assert {path for path in named - declared if not path.startswith("services/executor/actions/")} == set()
