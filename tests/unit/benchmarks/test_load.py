"""The load generator tells what senders see: the whole wait, refusals, and what had to be sent again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from benchmarks.load import Load
from benchmarks.webhooks import mixed_requests

ANSWER = b"HTTP/1.1 %b\r\ncontent-length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class Server(asyncio.Protocol):
    """Answers each request by what `reply` says; None breaks the connection."""

    reply: Callable[[int], bytes | None] = staticmethod(lambda _: ANSWER % b"202 Accepted")
    asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            type(self).asked += 1
            answer = type(self).reply(type(self).asked)
            if answer is None:
                self._transport.abort()
            else:
                self._transport.write(answer)


@pytest.fixture
async def server() -> AsyncIterator[tuple[type[Server], int]]:
    """A server of the test's own, and its port."""

    class Own(Server):
        pass

    listening = await asyncio.get_running_loop().create_server(Own, "127.0.0.1", 0)
    yield Own, listening.sockets[0].getsockname()[1]
    listening.close()


async def test_senders_without_a_rate_send_as_soon_as_they_have_an_answer(server: tuple[type[Server], int]) -> None:
    sent = await Load(server[1], [REQUEST], None).run(4, 0.1)
    assert (sent.answered, sent.refused, sent.again) == (server[0].asked, 0, 0)
    assert sent.answered > 20


async def test_senders_with_a_rate_send_as_many_as_fall_due(server: tuple[type[Server], int]) -> None:
    sent = await Load(server[1], [REQUEST], 200.0).run(4, 0.2)
    assert sent.answered == server[0].asked == 40


async def test_a_server_that_stands_still_makes_all_wait_that_fell_due_meanwhile(
    server: tuple[type[Server], int],
) -> None:
    def reply(asked: int) -> bytes:
        if asked == 5:
            time.sleep(0.3)
        return ANSWER % b"202 Accepted"

    server[0].reply = staticmethod(reply)
    sent = await Load(server[1], [REQUEST], 200.0).run(2, 0.4)
    assert sent.answered == 80
    # 60 of the 80 fell due while nothing moved; a closed loop would have seen one slow answer.
    assert sent.p50 > 30
    assert sent.worst > 250


async def test_refusals_are_counted(server: tuple[type[Server], int]) -> None:
    server[0].reply = staticmethod(lambda asked: ANSWER % (b"503 No" if asked % 2 else b"200 OK"))
    sent = await Load(server[1], [REQUEST], 100.0).run(1, 0.1)
    assert (sent.answered, sent.refused) == (10, 5)


async def test_what_a_broken_connection_took_along_is_sent_again(server: tuple[type[Server], int]) -> None:
    server[0].reply = staticmethod(lambda asked: None if asked == 3 else ANSWER % b"202 Accepted")
    sent = await Load(server[1], [REQUEST], 100.0).run(2, 0.1)
    assert (sent.answered, sent.again) == (10, 1)


def test_requests_alternate_between_senders_and_differ() -> None:
    made = mixed_requests(6, {"datadog": "a", "pagerduty": "b"})
    assert len(set(made)) == 6
    assert [one.split(b" ")[1] for one in made[:2]] == [b"/webhooks/datadog", b"/webhooks/pagerduty"]
