"""The stream of a page, as a visitor gets it who is slow at every frame."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import Message, Scope

from tests.contract.notifier.conftest import BASE, Running
from tests.unit.notifier.story import APPROVAL, INCIDENT, executed, granted, until_asked


@pytest.mark.parametrize("path", ["/live", f"/live/i/{INCIDENT}", f"/live/a/{APPROVAL}"])
async def test_what_changes_while_the_first_frame_is_sent_is_in_the_second(running: Running, path: str) -> None:
    await running.tell(*until_asked())
    await running.stage("awaiting_approval")
    frames: list[bytes] = []
    is_shown = asyncio.Event()

    async def receive() -> Message:
        return await asyncio.Future()  # a visitor who says nothing more

    async def send(message: Message) -> None:
        if not message.get("body"):
            return
        frames.append(message["body"])
        if len(frames) > 1:
            is_shown.set()
            return
        await running.tell(granted(), *executed())
        await running.stage("closed")

    browser = await running.browser()
    scope = _scope(browser.build_request("GET", path))

    async def visit() -> None:
        await running.service.asgi(scope, receive, send)

    visiting = asyncio.create_task(visit())
    async with asyncio.timeout(5):
        await is_shown.wait()
    visiting.cancel()
    await browser.aclose()
    assert b"still here" not in frames[1]
    assert frames[1] != frames[0]


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
