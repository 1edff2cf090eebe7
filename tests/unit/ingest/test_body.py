from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.ingest.entrypoints.body import (
    BODY_MAX,
    ROOM,
    STRANGER_PAUSE,
    Body,
    BodyReader,
    NotReadError,
    SenderGoneError,
)


class Sender:
    """What an ASGI server hands over: parts as they come, then nothing until `release`."""

    def __init__(self, *parts: bytes, ends: bool = True) -> None:
        self._parts = list(parts)
        self._ends = ends
        self.release = asyncio.Event()

    async def __call__(self) -> dict[str, Any]:
        """Return the next message."""
        if not self._parts:
            await self.release.wait()
            return {"type": "http.disconnect"}
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts) or not self._ends}


async def test_parts_are_put_together() -> None:
    assert await BodyReader(seconds=5).read(Sender(b"a", b"", b"bc")) == Body(b"abc", 3)


async def test_of_a_large_body_the_start_is_kept_and_the_size_told() -> None:
    body = await BodyReader(seconds=5).read(Sender(b"x" * BODY_MAX, b"y" * 10, b"z"))
    assert (body.is_cut, body.whole_size, body.kept) == (True, BODY_MAX + 11, b"x" * BODY_MAX)


async def test_of_a_large_body_of_a_stranger_nothing_is_kept_and_the_rest_is_read_slowly() -> None:
    part = b"x" * 65536
    reader = BodyReader(seconds=1.5 * STRANGER_PAUSE)
    body = await reader.read(Sender(part * 17, *[part] * 500), is_known=False)
    assert (body.is_cut, body.kept) == (True, b"")
    assert body.whole_size <= 20 * len(part)
    assert reader._room == ROOM


async def test_a_sender_that_goes_away_leaves_nothing() -> None:
    sender = Sender(b"a", ends=False)
    sender.release.set()
    with pytest.raises(SenderGoneError):
        await BodyReader(seconds=5).read(sender)


async def test_a_body_that_is_not_complete_in_time_is_not_read_and_one_whose_start_is_there_is() -> None:
    with pytest.raises(NotReadError, match=r"within 0\.05 s"):
        await BodyReader(seconds=0.05).read(Sender(b"a", ends=False))
    large = await BodyReader(seconds=0.05).read(Sender(b"x" * BODY_MAX, b"y", ends=False))
    assert large.is_cut


async def test_all_bodies_share_one_room_and_give_it_back() -> None:
    reader = BodyReader(seconds=5, room=10)
    slow = Sender(b"x" * 8, ends=False)
    reading = asyncio.create_task(reader.read(slow))
    await asyncio.sleep(0)
    assert (await reader.read(Sender(b"ab"))).kept == b"ab"
    with pytest.raises(NotReadError, match="too many large bodies"):
        await reader.read(Sender(b"ab", b"c"))
    slow.release.set()
    with pytest.raises(SenderGoneError):
        await reading
    assert (await reader.read(Sender(b"x" * 10))).whole_size == 10
