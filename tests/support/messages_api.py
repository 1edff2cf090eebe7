"""A local server that speaks the Messages API, or what is left of it when things go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

USAGE = {"input_tokens": 1000, "output_tokens": 100, "cache_creation_input_tokens": 400, "cache_read_input_tokens": 600}


def message(content: Sequence[dict[str, Any]], stop: str = "end_turn", **usage: int) -> bytes:
    """Return an answer of the Messages API."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {**USAGE, **usage},
    }
    return http(200, json.dumps(body).encode())


def text(answer: object) -> list[dict[str, Any]]:
    """Return the content of a final answer."""
    return [{"type": "text", "text": answer if isinstance(answer, str) else json.dumps(answer)}]


def failure(status: int, kind: str, **headers: str) -> bytes:
    """Return an error of the Messages API."""
    body = {"type": "error", "error": {"type": kind, "message": "secret-of-the-service"}}
    return http(status, json.dumps(body).encode(), length=0, **headers)


def http(status: int, body: bytes, *, length: int = 0, **headers: str) -> bytes:
    """Return a response; `length` claims another length than the body has."""
    told = {"content-type": "application/json", "content-length": str(length or len(body)), "connection": "close"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


@dataclass
class MessagesServer:
    """Plays `answers` in order; None never answers. Keeps what it was asked."""

    answers: list[bytes | None]
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    url: str = ""
    _server: asyncio.Server | None = None
    _held: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._held:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        [length] = [line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-length:")]
        self.headers.append(head)
        self.asked.append(json.loads(await reader.readexactly(int(length))))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if answer is None:
            self._held.append(writer)
            return
        writer.write(answer)
        await writer.drain()
        writer.close()
