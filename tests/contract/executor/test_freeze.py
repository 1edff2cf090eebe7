"""The listener: freeze works with the bus away, is signed like a decision, and stops the next call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.executor.conftest import Running


async def post(running: Running, body: object, token: str | None = None) -> tuple[int, dict[str, Any]]:
    async with running.client() if token is None else running.client(token) as client:
        answer = await client.post("/control/freeze", json=body)
    return answer.status_code, answer.json()


async def test_after_a_freeze_nothing_is_called(running: Running) -> None:
    await running.recommend()
    question = await running.until("approval.requested")
    status, said = await post(running, running.signed("freeze"))
    assert (status, said) == (200, {"frozen": True, "allow_rollback": False, "permits_out": []})
    await running.decide("approve", question)
    await running.until("approval.granted")

    paused = await running.until("execution.paused", "step.started", "execution.cancelled")
    assert "frozen" in str(paused.get("reason"))
    assert not running.place.done


async def test_a_freeze_ends_by_whoever_may_approve(running: Running) -> None:
    await post(running, running.signed("freeze", person="sample-responder"))
    status, said = await post(running, running.signed("unfreeze", person="sample-responder"))
    assert status == 409
    assert "SAMPLE responder is no approver" in said["error"]
    status, said = await post(running, running.signed("unfreeze"))
    assert (status, said["frozen"]) == (200, False)


async def test_the_same_bytes_again_get_the_same_answer_and_change_nothing(running: Running) -> None:
    freeze = running.signed("freeze", arguments={"allow_rollback": "true"})
    first = await post(running, freeze)
    await post(running, running.signed("unfreeze"))
    assert await post(running, freeze) == first
    state = await running.store.state(f"governor/{running.place.environment}")
    assert not state["frozen"]


async def test_each_environment_is_frozen_for_itself(running: Running) -> None:
    await post(running, running.signed("freeze", environment="sim:other"))
    assert await running.store.state(f"governor/{running.place.environment}") is None
    await running.recommend()
    await running.decide("approve", await running.until("approval.requested"))
    await running.until("step.succeeded")


@pytest.mark.parametrize(
    "changes, told",
    [
        pytest.param({"environment": "live"}, "sample_person", id="a SAMPLE person about production"),
        pytest.param({"person": "nobody"}, "unknown_person", id="a person nobody knows"),
        pytest.param({"verb": "approve"}, "'approve' goes over the bus, not here", id="another verb"),
        pytest.param({"kid": "other"}, "key 'other' is not trusted", id="a key nobody trusts"),
    ],
)
async def test_a_freeze_that_does_not_count_is_refused(running: Running, changes: dict[str, str], told: str) -> None:
    status, said = await post(running, running.signed(**{"verb": "freeze", **changes}))
    assert status == 409
    assert told in said["error"]


async def test_a_freeze_in_other_bytes_than_were_signed_is_refused(running: Running) -> None:
    signed = running.signed("freeze")
    forged = signed | {"decision": signed["decision"].replace(running.place.environment, "live")}
    assert await post(running, forged) == (409, {"error": "the signature does not fit the decision"})


@pytest.mark.parametrize("body", [pytest.param([], id="a list"), pytest.param({"decision": "{}"}, id="no signature")])
async def test_what_is_no_signed_decision_is_refused(running: Running, body: object) -> None:
    status, said = await post(running, body)
    assert (status, said["error"]) == (409, "needs a JSON object with `decision` and `signature`")


async def test_without_the_service_token_nothing_is_told_or_taken(running: Running) -> None:
    status, _ = await post(running, running.signed("freeze"), token="wrong")
    assert status == 401
    async with running.client("wrong") as client:
        assert (await client.get("/control/dead-letters")).status_code == 401
        assert (await client.get("/readyz")).json() == {"ready": True, "problems": {}}


async def test_dead_letters_are_listed(running: Running) -> None:
    async with running.client() as client:
        assert (await client.get("/control/dead-letters")).json() == []
