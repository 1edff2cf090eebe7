"""A sender of webhooks that does not wait for answers and writes down what it was told. It keeps no promise for us."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import orjson

from shared.runtime.server import KEEP_ALIVE_SECONDS

RATE = 200
PATIENCE = 5.0
"""Seconds after which PagerDuty takes a webhook for refused."""
IDLE_MOST = KEEP_ALIVE_SECONDS / 3
"""Seconds after which a connection is not used again, as senders do."""
SPELL = 1000
"""Webhooks about the same two services; then two others have trouble, so that incidents keep opening."""
KEYS, CYCLE = 40, 12
"""Alerts of one spell, and messages of one alert from the first that fires to the one that it has recovered."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One webhook and what came back: `status` 0 is no answer in time. Times are the sender's, in seconds."""

    number: int
    key: str
    at: float
    answered_at: float
    status: int
    receipt: str = ""
    said: str = ""


def alert(number: int) -> dict[str, object]:
    """Return the body of a webhook."""
    spell, place = divmod(number, SPELL)
    service = f"load-{spell}-{place % 2}"
    cycle, turn = divmod(place // KEYS, CYCLE)
    key = f"{service}/{place % KEYS}"
    status = "recovered" if turn == CYCLE - 1 else "firing"
    return {
        "title": f"load: {key}",
        "key": key,
        "service": service,
        "status": status,
        "cycle": str(cycle),
        "severity": "sev3",
        "labels": {"number": str(number)},
    }


@dataclass
class Sender:
    """Posts `rate` webhooks a second to the generic source on `port`, in a thread of its own."""

    port: int
    secret: str
    rate: int = RATE
    body: Callable[[int], dict[str, object]] = alert
    history: list[Sent] = field(default_factory=list)
    behind: float = 0.0
    """Seconds by which the latest webhook left after it should have."""
    _may_send: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _on_their_way: set[asyncio.Task[None]] = field(default_factory=set)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = field(default_factory=list)

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Send meanwhile; at the end every answer has come or is given up."""
        thread = threading.Thread(target=lambda: asyncio.run(self._send_all()))
        self._may_send.set()
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Send nothing meanwhile."""
        self._may_send.clear()
        try:
            yield
        finally:
            self._may_send.set()

    async def _send_all(self) -> None:
        number, due = 0, time.monotonic()
        while not self._over.is_set():
            if not self._may_send.is_set():
                await asyncio.sleep(0.02)
                due = time.monotonic()
                continue
            await asyncio.sleep(due - time.monotonic())
            self.behind = max(self.behind, time.monotonic() - due)
            task = asyncio.create_task(self._send(number))
            self._on_their_way.add(task)
            task.add_done_callback(self._on_their_way.discard)
            number += 1
            due += 1 / self.rate
        if self._on_their_way:
            await asyncio.wait(self._on_their_way)
        for _, writer, _ in self._idle:
            writer.close()

    async def _send(self, number: int) -> None:
        body = self.body(number)
        began = time.monotonic()
        status, receipt, said = 0, "", ""
        try:
            async with asyncio.timeout(PATIENCE):
                status, receipt, said = await self._post(number, orjson.dumps(body))
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError) as error:
            said = f"{type(error).__name__} {error}"
        self.history.append(Sent(number, str(body["key"]), began, time.monotonic(), status, receipt, said))

    async def _post(self, number: int, body: bytes) -> tuple[int, str, str]:
        reader, writer = await self._connection()
        try:
            writer.write(self._request(number, body))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            said = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            writer.close()
            raise
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer, time.monotonic()))
        return int(first.split()[1]), headers.get("signoff-receipt", "").upper(), said.decode()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer, since = self._idle.pop()
            # Whoever idles is closed in time; that answers no webhook, and word of it may be under way.
            if not reader.at_eof() and time.monotonic() - since < IDLE_MOST:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self.port)

    def _request(self, number: int, body: bytes) -> bytes:
        identity, stamp = f"load-{number}", str(int(time.time()))
        mac = hmac.new(self.secret.encode(), f"{identity}.{stamp}.".encode() + body, hashlib.sha256).digest()
        lines = (
            "POST /webhooks/generic HTTP/1.1",
            "host: 127.0.0.1",
            "content-type: application/json",
            f"content-length: {len(body)}",
            f"webhook-id: {identity}",
            f"webhook-timestamp: {stamp}",
            f"webhook-signature: v1,{base64.b64encode(mac).decode()}",
        )
        return "\r\n".join((*lines, "", "")).encode() + body
