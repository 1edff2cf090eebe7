from __future__ import annotations

import asyncio
import os
import socket
import sys

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import RefusedError
from shared.runtime import http, server
from shared.runtime.server import Listener, PortInUseError, bind
from shared.runtime.web import HEADERS, service_asgi
from tests.support.kinds import eventually


async def said(_: object) -> PlainTextResponse:
    return PlainTextResponse("said")


async def refused(_: object) -> PlainTextResponse:
    raise RefusedError("not now")


def client(problems: dict[str, str] | None = None, token: str = "t0ken") -> httpx.AsyncClient:
    app = service_asgi([Route("/said", said), Route("/refused", refused)], token=token, problems=lambda: problems or {})
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


def test_a_taken_port_names_who_has_it() -> None:
    with bind("127.0.0.1", 0, name="first") as first:
        port = first.getsockname()[1]

        with pytest.raises(PortInUseError) as raised:
            bind("127.0.0.1", port, name="second")

    who = f"(pid {os.getpid()})" if sys.platform == "linux" else ""
    assert str(raised.value).startswith(f"port {port} is in use")
    assert who in str(raised.value)


async def test_health_and_metrics_need_no_token_and_everything_else_does() -> None:
    async with client() as anonymous:
        codes = {path: (await anonymous.get(path)).status_code for path in ("/livez", "/readyz", "/metrics", "/said")}

    assert codes == {"/livez": 200, "/readyz": 200, "/metrics": 200, "/said": 401}


async def test_without_a_service_token_nobody_is_let_in() -> None:
    async with client(token="") as anonymous:
        assert (await anonymous.get("/said", headers={"Authorization": "Bearer "})).status_code == 401


async def test_not_ready_says_what_is_wrong_and_stays_alive() -> None:
    async with client({"bus": "Kafka does not answer"}) as anonymous:
        ready = await anonymous.get("/readyz")
        alive = await anonymous.get("/livez")

    assert (ready.status_code, ready.json()["problems"]) == (503, {"bus": "Kafka does not answer"})
    assert alive.status_code == 200


async def test_what_only_a_new_start_mends_is_told_to_whoever_restarts() -> None:
    app = service_asgi([], token="", problems=dict, ended=lambda: {"relay": "has ended (KeyError)"})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as anonymous:
        alive = await anonymous.get("/livez")

    assert (alive.status_code, alive.json()) == (503, {"alive": False, "ended": {"relay": "has ended (KeyError)"}})


async def test_an_error_of_the_house_becomes_its_status() -> None:
    async with client() as known:
        answer = await known.get("/refused", headers={"Authorization": "Bearer t0ken"})

    assert (answer.status_code, answer.json()) == (409, {"error": "not now"})


async def test_no_header_changes_where_a_request_comes_from() -> None:
    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse([scope["client"][0], scope["scheme"]])(scope, receive, send)

    listener = Listener(bind("127.0.0.1", 0, name="test"), told)
    await listener.start()
    spoofed = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https", "forwarded": "for=203.0.113.7"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", headers=spoofed) as browser:
        assert (await browser.get("/")).json() == ["127.0.0.1", "http"]
    await listener.stop()


async def test_a_listener_answers_from_start_to_stop() -> None:
    listener = Listener(bind("127.0.0.1", 0, name="test"), service_asgi([], token="", problems=dict))
    await listener.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}") as browser:
        assert (await browser.get("/readyz")).json() == {"ready": True, "problems": {}}
        await listener.stop()
        with pytest.raises(httpx.TransportError):
            await browser.get("/livez")


async def told(port: int, request: bytes) -> tuple[int, dict[str, str]]:
    """Send bytes as they are, and return status and fields of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    status, *fields = head.decode().rstrip().split("\r\n")
    return int(status.split()[1]), dict(field.split(": ", 1) for field in fields)


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        pytest.param(b"no request\r\n\r\n", 400, id="what is no request"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000 + b"\r\n\r\n", 431, id="too large a head"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431, id="too many fields"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000, 431, id="a head without end"),
    ],
)
async def test_answers_before_the_application_have_the_strict_headers_too(request_bytes: bytes, status: int) -> None:
    listener = Listener(bind("127.0.0.1", 0, name="test"), service_asgi([], token="t", problems=dict))
    await listener.start()
    try:
        found, fields = await told(listener.port, request_bytes)
    finally:
        await listener.stop()

    fields = {name.lower(): value for name, value in fields.items()}
    assert found == status
    assert {name: fields.get(name.lower()) for name in HEADERS} == dict(HEADERS)
    assert fields["connection"] == "close"


async def test_a_request_too_many_is_refused_with_the_strict_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CROWD", 1)
    monkeypatch.setattr(server, "_connections_max", lambda: 1)
    begun, done = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await done.wait()
        await PlainTextResponse("done")(scope, receive, send)

    listener = Listener(bind("127.0.0.1", 0, name="test"), slow)
    await listener.start()
    try:
        first = asyncio.create_task(told(listener.port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        await begun.wait()
        found, fields = await told(listener.port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        done.set()
        assert (await first)[0] == 200
    finally:
        await listener.stop()

    assert found == 503
    assert {name.lower() for name in HEADERS} <= {name.lower() for name in fields}


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send
    raise RuntimeError("on purpose")


async def says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive, send


async def says_otherwise(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("a page", headers={"Cache-Control": "no-cache"})(scope, receive, send)


class Takes:
    """Takes what comes in one piece, unless it is "no", and says which way a body came."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def take(self, scope: Scope, body: bytes, answer: http.Answer) -> bool:
        if body == b"no":
            return False
        answer(202, b"x-more: 1\r\n", b"took " + body, close=scope["path"] == "/last")
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        body = await Request(scope, receive).body()
        await PlainTextResponse(b"was asked " + body)(scope, receive, send)


@pytest.mark.parametrize(
    "app, status, more",
    [
        pytest.param(fails, 500, {"connection": "close"}, id="an application that fails before its first byte"),
        pytest.param(says_nothing, 500, {"connection": "close"}, id="an application that does not answer"),
        pytest.param(says_otherwise, 200, {"cache-control": "no-cache"}, id="an application with a header of its own"),
        pytest.param(Takes(), 202, {"x-more": "1", "content-length": "5"}, id="an application that takes it"),
    ],
)
async def test_whoever_answers_the_strict_headers_are_there_once(
    app: ASGIApp, status: int, more: dict[str, str]
) -> None:
    listener = Listener(bind("127.0.0.1", 0, name="test"), app)
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n")
        first, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        writer.close()
    finally:
        await listener.stop()

    named = [(name.lower(), value) for name, value in (field.split(": ", 1) for field in fields)]
    assert int(first.split()[1]) == status
    assert len(dict(named)) == len(named)
    expected = {name.lower(): value for name, value in HEADERS.items()} | more
    assert {name: value for name, value in named if name in expected} == expected


def post(body: bytes, fields: bytes = b"", path: bytes = b"/") -> bytes:
    """Return a whole request."""
    return b"POST %b HTTP/1.1\r\nhost: a\r\n%bcontent-length: %d\r\n\r\n%b" % (path, fields, len(body), body)


async def answers(app: Takes, request: bytes, rest: bytes = b"") -> list[bytes]:
    """Send bytes on one connection, the rest once the application was asked; return the answers until it is closed."""
    listener = Listener(bind("127.0.0.1", 0, name="test"), app)
    await listener.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(request)
        if rest:
            await app.asked.wait()
            writer.write(rest)
        found = await reader.read()
        writer.close()
    finally:
        await listener.stop()
    return found.split(b"HTTP/1.1 ")[1:]


CLOSE = b"connection: close\r\n"


@pytest.mark.parametrize(
    "request_bytes, rest, said",
    [
        pytest.param(post(b"z", path=b"/last"), b"", [b"took z"], id="a request in one piece is taken"),
        pytest.param(post(b"a") + post(b"z", CLOSE), b"", [b"took a", b"was asked z"], id="the next waits its turn"),
        pytest.param(post(b"z", CLOSE), b"", [b"took z"], id="the sender may end the connection"),
        pytest.param(post(b"no", CLOSE), b"", [b"was asked no"], id="what is not taken is asked as ever"),
        pytest.param(post(b"ab", CLOSE)[:-1], b"b", [b"was asked ab"], id="a body in two pieces is read as ever"),
        pytest.param(post(b"ab", CLOSE)[:-2], b"ab", [b"was asked ab"], id="a head before its body is read as ever"),
        pytest.param(post(b"z", CLOSE).replace(b"POST", b"PUT"), b"", [b"was asked z"], id="only a POST is taken"),
        pytest.param(
            post(b"z", CLOSE + b"expect: 100-continue\r\n"), b"", [b"took z"], id="who has sent it need not be told to"
        ),
        pytest.param(
            post(b"", CLOSE + b"transfer-encoding: chunked\r\n").replace(b"content-length: 0\r\n", b"")
            + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"", [b"took ab"], id="chunks that come together are one piece"
        ),
    ],
)  # fmt: skip
async def test_an_application_takes_only_what_came_whole(request_bytes: bytes, rest: bytes, said: list[bytes]) -> None:
    found = await answers(Takes(), request_bytes, rest)
    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in found] == said
    assert [CLOSE in answer for answer in found] == [False] * (len(said) - 1) + [True]


class Later(Takes):
    """Takes a request and leaves the answer to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: asyncio.Future[http.Answer] = asyncio.get_running_loop().create_future()

    def take(self, scope: Scope, body: bytes, answer: http.Answer) -> bool:
        del scope, body
        self.taken.set_result(answer)
        return True


async def test_a_listener_that_stops_waits_for_the_answer_to_what_was_taken() -> None:
    app = Later()
    listener = Listener(bind("127.0.0.1", 0, name="test"), app)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(post(b"a"))
    answer = await app.taken
    port = listener.port
    stopping = asyncio.create_task(listener.stop())

    async def lets_nobody_in() -> bool:
        try:
            _, other = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return True
        other.close()
        return False

    await eventually(lets_nobody_in)
    answer(202, b"", b"kept")
    said = await reader.read()
    writer.close()
    await stopping
    assert said.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert said.endswith(b"\r\n\r\nkept")


async def test_an_answer_to_who_has_gone_is_dropped() -> None:
    app = Later()
    listener = Listener(bind("127.0.0.1", 0, name="test"), app)
    await listener.start()
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(post(b"a"))
    answer = await app.taken
    assert listener._server is not None
    connections = listener._server.server_state.connections
    writer.close()

    async def has_gone() -> bool:
        return not connections

    await eventually(has_gone)
    answer(202, b"", b"kept")
    await listener.stop()


@pytest.mark.skipif(not hasattr(socket, "TCP_DEFER_ACCEPT"), reason="this system hands over silent connections at once")
async def test_silent_connections_stay_with_the_system_and_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SILENT_SECONDS", 60)
    listener = Listener(bind("127.0.0.1", 0, name="test"), Takes())
    await listener.start()
    try:
        silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(20)]
        found, _ = await told(listener.port, b"POST / HTTP/1.1\r\nhost: a\r\n\r\n")
        taken = len(listener._server.server_state.connections) if listener._server else None
        silent[0][1].write(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n")
        spoke = await silent[0][0].readuntil(b"\r\n")
        for _, writer in silent:
            writer.close()
    finally:
        await listener.stop()

    assert (found, spoke) == (202, b"HTTP/1.1 202 Accepted\r\n")
    assert taken in (0, 1)
