"""The streams of pages and changes, as a visitor gets them who is slow at every frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.types import Message, Scope

from services.notifier.adapters import changes
from tests.contract.notifier.conftest import BASE, Running
from tests.unit.notifier.story import APPROVAL, INCIDENT, executed, granted, until_asked


@pytest.fixture(autouse=True)
def _no_look_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "KEEP_ALIVE_SECONDS", 600.0)


@pytest.mark.parametrize("path", ["/live", f"/live/i/{INCIDENT}", f"/live/a/{APPROVAL}"])
async def test_what_changes_while_the_first_frame_is_sent_is_in_the_second(running: Running, path: str) -> None:
    await running.tell(*until_asked())
    await running.stage("awaiting_approval")
    frames: list[bytes] = []
    is_shown = asyncio.Event()

    async def send(message: Message) -> None:
        if not message.get("body"):
            return
        frames.append(message["body"])
        if len(frames) > 1:
            is_shown.set()
            return
        await running.tell(granted(), *executed())
        await running.stage("closed")

    async with _visit(await running.browser(), running, path, send):
        await is_shown.wait()
    assert b"still here" not in frames[1]
    assert frames[1] != frames[0]


async def test_the_change_stream_tells_what_changes_from_the_head_of_its_answer_on(running: Running) -> None:
    await running.tell(*until_asked())
    await running.stage("awaiting_approval")
    is_told = asyncio.Event()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            await running.tell(granted(), *executed())
            await running.stage("closed")
        elif b"data: " in message["body"]:
            is_told.set()

    async with _visit(running.operator(), running, "/api/changes", send):
        await is_told.wait()


async def test_pages_stay_live_after_a_look_that_failed_in_a_way_nobody_foresaw(running: Running) -> None:
    await running.tell(*until_asked())
    await running.stage("awaiting_approval")
    last_change = running.store.last_change
    frames: list[bytes] = []
    is_shown, has_failed = asyncio.Event(), asyncio.Event()

    async def broken() -> int:
        running.store.last_change = last_change  # type: ignore[method-assign]  # a database fails here, once
        has_failed.set()
        raise RuntimeError("the file is no database")

    async def send(message: Message) -> None:
        if not message.get("body"):
            return
        frames.append(message["body"])
        if len(frames) > 1:
            is_shown.set()
        else:
            running.store.last_change = broken  # type: ignore[method-assign]  # as above

    async with _visit(await running.browser(), running, "/live", send):
        await has_failed.wait()
        await running.tell(granted(), *executed())
        await is_shown.wait()
    assert b"still here" not in frames[1]


@asynccontextmanager
async def _visit(
    client: httpx.AsyncClient, running: Running, path: str, send: Callable[[Message], Awaitable[None]]
) -> AsyncIterator[None]:
    """Have a stream sent to `send` while the block runs; what does not come on its own account never comes."""
    said: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return said.pop() if said else await asyncio.Future()  # a visitor who says nothing more

    async def visit() -> None:
        await running.service.asgi(_scope(client.build_request("GET", path)), receive, send)

    visiting = asyncio.create_task(visit())
    try:
        async with asyncio.timeout(60):
            yield
    finally:
        visiting.cancel()
        await client.aclose()


def _scope(request: httpx.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", int(BASE.rpartition(":")[2])),
    }
