"""Senders that are slow, silent or send too much cost nobody else anything and are let go in time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.runtime import http
from tests.contract.ingest.conftest import OLD, Running, StartIngest, alert, headers_for
from tests.support.kinds import eventually

pytestmark = pytest.mark.slow

HEAD_SECONDS = 0.6
BODY_SECONDS = 0.8
HEAD = b"POST /webhooks/%b HTTP/1.1\r\nhost: a\r\n"


@pytest.fixture
async def running(start: StartIngest, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A running ingest that is less patient than usual."""
    monkeypatch.setattr(http, "HEAD_SECONDS", HEAD_SECONDS)
    return await start(body_seconds=BODY_SECONDS)


class Raw:
    """A connection with which a test does what no HTTP library would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes; a connection that was closed takes none."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def trickle(self, data: bytes, pause: float = 0.05) -> bytes:
        """Send a byte at a time until the connection is closed, and return what came until then."""
        rest = asyncio.create_task(self.rest())
        for byte in data:
            if rest.done():
                break
            await self.send(bytes([byte]))
            await asyncio.sleep(pause)
        return await rest

    async def rest(self) -> bytes:
        """Return what comes until the connection is closed."""
        found = b""
        with contextlib.suppress(ConnectionError):
            while part := await self._reader.read(65536):
                found += part
        return found

    async def answer(self) -> int:
        """Return the status of the next answer."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(length)
        return int(head.split()[1])

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def raw(running: Running, count: int = 1) -> AsyncIterator[list[Raw]]:
    """Connect so many times."""
    made = [Raw(*await asyncio.open_connection("127.0.0.1", running.listener.port)) for _ in range(count)]
    try:
        yield made
    finally:
        await asyncio.gather(*(one.close() for one in made))


@contextlib.contextmanager
def within(least: float, most: float = 5.0) -> Iterator[None]:
    """Fail when the block is done too early or too late."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    yield
    assert least <= loop.time() - begin < most


def request(source: str, body: bytes, *more: bytes) -> bytes:
    """Return a whole request of an authentic sender."""
    given = [f"{name}: {value}".encode() for name, value in headers_for(source, body).items()]
    fields = [*given, b"content-length: %d" % len(body), *more]
    return HEAD % source.encode() + b"\r\n".join(fields) + b"\r\n\r\n" + body


async def test_a_connection_that_sends_nothing_is_closed(running: Running) -> None:
    async with raw(running) as [one]:
        with within(HEAD_SECONDS * 0.9):
            assert await one.rest() == b""


async def test_a_head_that_trickles_is_closed_however_steadily_it_comes(running: Running) -> None:
    async with raw(running) as [one]:
        with within(HEAD_SECONDS * 0.9):
            assert await one.trickle(HEAD % b"datadog" + b"x-y: " + b"z" * 1000) == b""


async def test_the_second_request_of_a_connection_has_the_same_deadline(running: Running) -> None:
    async with raw(running) as [one]:
        await one.send(request("datadog", alert()))
        assert await one.answer() == 202
        with within(HEAD_SECONDS * 0.9):
            assert await one.trickle(b"\r\n" * 500) == b""


async def test_a_connection_may_be_used_again_and_again(running: Running) -> None:
    async with raw(running) as [one]:
        for number in range(5):
            await one.send(request("datadog", alert(number)))
            assert await one.answer() == 202
            await asyncio.sleep(HEAD_SECONDS / 3)
        await one.send(request("datadog", alert(6)) + request("datadog", alert(7)))
        assert [await one.answer(), await one.answer()] == [202, 202]


@pytest.mark.parametrize("source", ["datadog", "pagerduty", "generic"])
async def test_a_body_that_trickles_is_answered_with_send_it_again_never_with_a_refusal(
    running: Running, source: str
) -> None:
    whole = request(source, alert())
    async with raw(running) as [one]:
        await one.send(whole[:-20])
        with within(BODY_SECONDS * 0.9):
            rest = await one.trickle(whole[-20:-1], pause=0.1)
        assert rest.startswith(b"HTTP/1.1 503 ")
        assert b"send it again" in rest
    assert running.on_bus() == []


async def test_what_trickles_after_the_answer_is_not_waited_for(running: Running) -> None:
    async with raw(running) as [one]:
        await one.send(HEAD % b"datadog" + b"content-length: 100000\r\n\r\n")
        assert await one.answer() == 401
        with within(HEAD_SECONDS * 0.9):
            assert await one.trickle(b"x" * 1000) == b""


async def test_a_body_that_ends_too_early_leaves_nothing(running: Running) -> None:
    async with raw(running) as [one]:
        await one.send(request("datadog", alert())[:-20])
    assert (await running.post("datadog", alert(2))).status_code == 202
    assert len(await running.told(1)) == 1


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"x: " + b"y" * 20_000 + b"\r\n\r\n", id="one large header"),
        pytest.param(b"x: " + b"y" * 200_000, id="a header without end"),
        pytest.param(b"a: b\r\n" * 101 + b"\r\n", id="many headers"),
        pytest.param(b"a: b\r\n" * 5000, id="headers without end"),
    ],
)
async def test_a_head_that_is_too_large_is_refused(running: Running, head: bytes) -> None:
    async with raw(running) as [one]:
        await one.send(HEAD % b"datadog" + head)
        assert (await one.rest())[:13] in (b"HTTP/1.1 431 ", b"")  # The answer is lost when still more was sent.
    assert running.on_bus() == []


async def test_a_head_of_the_usual_size_is_fine(running: Running) -> None:
    async with raw(running) as [one]:
        await one.send(request("datadog", alert(), *[b"x-%d: y" % n for n in range(80)], b"z: " + b"y" * 8000))
        assert await one.answer() == 202


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"content-length: 10\r\ncontent-length: 20\r\n\r\n", id="two lengths"),
        pytest.param(b"content-length: 10\r\ntransfer-encoding: chunked\r\n\r\n", id="a length and chunks"),
        pytest.param(b"content-length: -1\r\n\r\n", id="a negative length"),
        pytest.param(b"transfer-encoding: chunked\r\n\r\nzz\r\n", id="a chunk without size"),
    ],
)
async def test_what_is_no_http_is_refused_and_leaves_nothing(running: Running, fields: bytes) -> None:
    async with raw(running) as [one]:
        await one.send(HEAD % b"datadog" + f"X-Signoff-Token: {OLD}\r\n".encode() + fields + b"0" * 30)
        rest = await one.rest()
    assert not rest.startswith(b"HTTP/1.1 2")
    assert running.on_bus() == []


async def test_hundreds_of_slow_senders_do_not_hold_up_an_honest_one(running: Running) -> None:
    async with raw(running, 300) as slow:
        for number, one in enumerate(slow):
            await one.send([b"", HEAD % b"datadog", request("pagerduty", alert())[:-1]][number % 3])
        with within(0.0, 3.0):
            for number in range(20):
                assert (await running.post("datadog", alert(number))).status_code == 202
        rests = await asyncio.gather(*(one.rest() for one in slow))
    assert {rest[:13] for rest in rests} == {b"", b"HTTP/1.1 503 "}

    async def nobody_is_left() -> bool:
        server = running.listener._server
        return server is not None and len(server.server_state.connections) <= 1

    await eventually(nobody_is_left)
