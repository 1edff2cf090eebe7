from __future__ import annotations

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select, update

from services.notifier.adapters.read_model import StoredReadModel
from services.notifier.adapters.sessions import StoredSessions
from services.notifier.adapters.tables import INCIDENT as INCIDENT_TABLE
from services.notifier.adapters.tables import LOGIN, SESSION
from services.notifier.domain.overview import FOLD
from shared.runtime.server import Listener, bind
from tests.contract.notifier.conftest import RUN_TOKEN, Running
from tests.support.kinds import eventually
from tests.unit.notifier.story import INCIDENT, granted, opened, until_asked


async def test_a_delivery_is_told_as_the_diagnoser_decided_it(running: Running) -> None:
    async with running.operator() as operator:
        decided = await operator.get("/api/deliveries/decided")
        waiting = await operator.get("/api/deliveries/waiting")
        unknown = await operator.get("/api/deliveries/made/up")
    assert decided.json() == {"receipt": "decided", "disposition": "new_incident"}
    assert waiting.json()["disposition"] == "in_flight"
    assert unknown.status_code == 404


async def test_dead_letters_of_all_services_are_listed_and_put_back(running: Running) -> None:
    async with running.operator() as operator:
        found = (await operator.get("/api/dead-letters")).json()
        done = await operator.post("/api/dead-letters/executor/a/b:1/requeue", json={})
        unknown = await operator.post("/api/dead-letters/nobody/m/requeue", json={})
    assert [letter["service"] for letter in found] == ["executor"] * 3
    assert done.json() == {"requeued": "a/b:1"}
    assert running.others.asked[-1] == ("requeue", "a/b:1")
    assert unknown.status_code == 404


async def test_a_name_that_climbs_asks_another_service_for_nothing_else(running: Running) -> None:
    async with running.operator() as operator:
        read = [await operator.get(f"/api/{way}/..%2F..%2Fcauses") for way in ("deliveries", "dead-letters/executor")]
        put_back = await operator.post("/api/dead-letters/executor/x%2F..%2Fa/requeue", json={})
    assert [answer.status_code for answer in (*read, put_back)] == [404, 404, 404]
    assert running.others.asked == []


async def test_a_service_that_does_not_answer_is_named(running: Running) -> None:
    async def away(*_: object) -> None:
        raise httpx.ConnectError("refused")

    parts = running.service.asgi._app.state.parts  # type: ignore[attr-defined]  # the guard's inside
    parts.care._peers["diagnoser"]._client = httpx.AsyncClient(
        transport=httpx.ASGITransport(away), base_url="http://away"
    )
    async with running.operator() as operator:
        answer = await operator.get("/api/silences")
    assert answer.status_code == 503
    assert "diagnoser does not answer" in answer.json()["error"]


async def test_an_overview_folded_by_older_rules_is_folded_again_from_the_journal(running: Running) -> None:
    await running.tell(*until_asked())
    await running.journaled_in_store(8)
    (row,) = await running.store.select(select(INCIDENT_TABLE.c.overview))
    stale = orjson.loads(row["overview"]) | {"cause": "as the old rules said"}
    await running.store.execute(update(INCIDENT_TABLE).values(fold=FOLD - 1, overview=orjson.dumps(stale).decode()))
    assert await StoredReadModel(running.store).refold() == 1

    async def renewed() -> bool:
        rows = await running.store.select(select(INCIDENT_TABLE.c.fold, INCIDENT_TABLE.c.overview))
        return bool(rows[0]["fold"] == FOLD and rows[0]["overview"] == row["overview"])

    await eventually(renewed)


async def test_tokens_are_kept_as_digests_and_expire(running: Running) -> None:
    sessions = StoredSessions(running.store, session_seconds=0.05)
    login, token = await sessions.invite("sample-approver"), await sessions.begin("sample-approver", "page:local")
    kept = [*await running.store.select(select(LOGIN)), *await running.store.select(select(SESSION))]
    assert login not in str(kept)
    assert token not in str(kept)

    async def expired() -> bool:
        return await sessions.find(token) is None

    await eventually(expired)


async def test_a_login_is_accepted_once_however_many_try(running: Running) -> None:
    sessions = StoredSessions(running.store, session_seconds=60)
    login = await sessions.invite("sample-approver")
    accepted = await asyncio.gather(*(sessions.accept(login) for _ in range(20)))
    assert sorted(filter(None, accepted)) == ["sample-approver"]


class TestStreams:
    @pytest.fixture
    def listening(self) -> Any:  # noqa: ANN401 -- a socket
        return bind("127.0.0.1", 0, name="console")

    @pytest.fixture
    def changes(self, listening: Any) -> dict[str, Any]:  # noqa: ANN401 -- a socket
        return {"base_url": f"http://127.0.0.1:{listening.getsockname()[1]}", "terminal": False}

    async def test_the_change_stream_resumes_after_a_number(self, running: Running, listening: Any) -> None:  # noqa: ANN401 -- a socket
        listener = Listener(listening, running.service.asgi)
        await listener.start()
        await running.tell(opened())
        await running.journaled_in_store(1)
        await running.tell(granted())
        headers = {"authorization": f"Bearer {RUN_TOKEN}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", headers=headers) as client:
            first = await frames(client, 0, 2)
            again = await frames(client, first[0][0], 1)
        assert {feed for _, feed in first} == {INCIDENT}
        assert first[0][0] < first[1][0] == again[0][0]
        await listener.stop()


async def frames(client: httpx.AsyncClient, after: int, count: int) -> list[tuple[int, str]]:
    """Return the first frames of the change stream after a number."""
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(10), client.stream("GET", "/api/changes", params={"after": after}) as answer:
        number = 0
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                number = int(line.removeprefix("id: "))
            elif line.startswith("data: "):
                found.append((number, orjson.loads(line.removeprefix("data: "))["incident"]))
            if len(found) == count:
                break
    return found
