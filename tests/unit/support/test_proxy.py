from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.proxy import Proxy

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SOON = 0.2
"""Seconds in which nothing may come."""


class Echo:
    """A server that answers each line with itself, and keeps what it heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.heard.append(line)
                writer.write(line)
                await writer.drain()
        except OSError:
            return
        finally:
            writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


async def opened(proxy: Proxy) -> Ends:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def said(ends: Ends, line: bytes = b"hello\n") -> bytes:
    """Say a line and return what comes back."""
    reader, writer = ends
    writer.write(line)
    await writer.drain()
    return await asyncio.wait_for(reader.readline(), SOON)


async def test_it_carries_what_is_said_and_answered(proxy: Proxy) -> None:
    ends = await opened(proxy)
    assert await said(ends) == b"hello\n"
    assert await said(ends, b"again\n") == b"again\n"
    assert (proxy.opened, proxy.swallowed) == (1, 0)
    ends[1].close()


async def test_latency_delays_each_way(proxy: Proxy) -> None:
    ends = await opened(proxy)
    proxy.latency = 0.05
    began = asyncio.get_running_loop().time()
    assert await said(ends) == b"hello\n"
    assert asyncio.get_running_loop().time() - began >= 0.1
    ends[1].close()


async def test_down_resets_what_is_open_refuses_what_comes_and_ends(proxy: Proxy) -> None:
    ends = await opened(proxy)
    await said(ends)
    await proxy.down()
    with pytest.raises(ConnectionResetError):
        await said(ends)
    with pytest.raises(ConnectionRefusedError):
        await opened(proxy)
    await proxy.up()
    again = await opened(proxy)
    assert await said(again) == b"hello\n"
    again[1].close()


async def test_a_reset_ends_what_is_open_and_refuses_nothing(proxy: Proxy) -> None:
    ends = await opened(proxy)
    await said(ends)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await said(ends)
    again = await opened(proxy)
    assert await said(again) == b"hello\n"
    again[1].close()


async def test_in_a_black_hole_nobody_hears_anything_and_nobody_is_told(proxy: Proxy, echo: Echo) -> None:
    ends = await opened(proxy)
    proxy.black_hole = True
    with pytest.raises(TimeoutError):
        await said(ends)
    assert echo.heard == []
    assert proxy.swallowed == len(b"hello\n")
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        await said(ends)


async def test_a_lost_reply_is_a_request_that_arrived(proxy: Proxy, echo: Echo) -> None:
    ends = await opened(proxy)
    proxy.lose_replies = True
    with pytest.raises(TimeoutError):
        await said(ends)
    assert echo.heard == [b"hello\n"]
    proxy.heal()
    again = await opened(proxy)
    assert await said(again) == b"hello\n"
    again[1].close()


async def test_a_reply_is_cut_at_exactly_the_given_byte(proxy: Proxy, echo: Echo) -> None:
    proxy.cut_replies_at = 3
    reader, writer = await opened(proxy)
    writer.write(b"hello\n")
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(6), SOON)
    assert echo.heard == [b"hello\n"]
    assert proxy.swallowed == 3


async def test_a_cut_may_spare_who_asks_for_something_else(proxy: Proxy) -> None:
    proxy.cut_replies_at, proxy.cut_only = 0, b"delete"
    spared, cut = await opened(proxy), await opened(proxy)
    assert await said(spared, b"read\n") == b"read\n"
    with pytest.raises(ConnectionResetError):
        await said(cut, b"delete\n")
    assert await said(spared, b"more\n") == b"more\n"
    spared[1].close()


async def test_an_upstream_that_is_away_closes_the_connection(proxy: Proxy) -> None:
    proxy._upstream = ("127.0.0.1", 9)
    reader, writer = await opened(proxy)
    assert await asyncio.wait_for(reader.read(), 2.0) == b""
    writer.close()
