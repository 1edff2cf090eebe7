from __future__ import annotations

import asyncio

from simulation.providers.client import RunClient

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


async def test_a_run_that_nobody_asks_about_any_more_holds_no_connection() -> None:
    closed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        assert not await reader.read()
        writer.close()
        closed.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = RunClient("sim:run", {"world_url": f"http://127.0.0.1:{port}", "world_token": "token"})
        try:
            assert await client.ask("clock") == {}
            async with asyncio.timeout(30.0):
                await closed.wait()
        finally:
            await client.aclose()
