"""A flood of webhooks, each sent once, as fast as it is taken in; the receipts are kept. A process of its own.

The flood has few causes, each seen by many hosts: of ten deliveries eight are alerts of their own, one is an alert that
is told again, and one is a delivery that its sender repeats as it was. They arrive out of order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

START = 1_764_000_000_000
"""Milliseconds: when the first alert happened."""
STEP = 2
"""Milliseconds between two alerts."""
DISORDER = 500
"""How many places a delivery may be ahead of its turn."""
LIMIT = 170.0
"""Seconds after which no more is sent."""


@dataclass(frozen=True, slots=True)
class Flood:
    """What is poured. `run`: the simulated run it belongs to; `start`: milliseconds of its first alert."""

    count: int
    causes: int
    run: str = ""
    service: str = "service-{cause}"
    start: int = START


@dataclass(frozen=True, slots=True)
class Poured:
    """What the senders saw; `began` is wall time. `refused`: answers other than 202."""

    began: float
    seconds: float
    receipts: int
    refused: int


def deliveries(flood: Flood) -> list[bytes]:
    """Return the bodies of a flood, in the order in which they are sent; the same for each call."""
    count, causes = flood.count, flood.causes
    chance = random.Random(count)
    bodies: list[bytes] = []
    for number in range(count):
        cause, kind = number % causes, number // causes % 10
        if kind == 8:
            bodies.append(_alert(flood, number, cause, chance.randrange(number // causes)))
        elif kind == 9:
            bodies.append(chance.choice(bodies))
        else:
            bodies.append(_alert(flood, number, cause, number // causes))
    order = sorted(range(count), key=lambda index: index + chance.uniform(0, DISORDER))
    return [bodies[index] for index in order]


def _alert(flood: Flood, number: int, cause: int, host: int) -> bytes:
    name = f"web-{cause}-{host}.example.internal"
    service = flood.service.format(cause=cause)
    happened = flood.start + number * STEP
    return json.dumps(
        {
            "id": f"77{number:010}",
            "alert_id": str(4200 + cause),
            "alert_transition": "Triggered",
            "alert_type": "error",
            "alert_priority": "P2",
            "alert_scope": f"env:prod,host:{name},service:{service}",
            "alert_metric": "system.cpu.user",
            "title": f"[P2] [Triggered on {{host:{name}}}] CPU is high on {service} hosts",
            "text": "The average of system.cpu.user over the last 5 minutes is above 90 %.",
            "tags": f"env:prod,host:{name},monitor,service:{service},team:team-{cause}",
            "hostname": name,
            "date": str(happened),
            "last_updated": str(happened),
            "link": f"https://app.datadoghq.eu/monitors/{4200 + cause}?group=host%3A{name}",
            "org": {"id": "123456", "name": "Example"},
        }
    ).encode()


class _Sender(asyncio.Protocol):
    def __init__(self, flood: _Pouring) -> None:
        self._flood = flood
        self._transport: asyncio.WriteTransport | None = None
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._flood.requests, None)
        if request is None:
            self._transport.close()
            self._flood.one_ended()
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if found and len(body) >= int(_field(head, b"content-length") or 0):
            self._data = b""
            self._flood.answered(head[9:12], _field(head, b"signoff-receipt"))
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._data or exc is not None:
            self._flood.done.set_exception(exc or ConnectionError("closed within an answer"))


def _field(head: bytes, name: bytes) -> bytes:
    place = head.find(b"\r\n" + name + b": ")
    if place < 0:
        return b""
    begin = place + len(name) + 4
    end = head.find(b"\r", begin)
    return head[begin:] if end < 0 else head[begin:end]


class _Pouring:
    """All senders of a flood."""

    def __init__(self, requests: Iterator[bytes], connections: int) -> None:
        self.requests = requests
        self.receipts: list[str] = []
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = connections

    def answered(self, status: bytes, receipt: bytes) -> None:
        """Note an answer."""
        if status == b"202":
            self.receipts.append(receipt.decode())
        else:
            self.refused += 1

    def one_ended(self) -> None:
        """Note that a sender has nothing left to send."""
        self._open -= 1
        if not self._open and not self.done.done():
            self.done.set_result(None)


async def _pour(port: int, requests: Sequence[bytes], connections: int, receipts: Path) -> Poured:
    loop = asyncio.get_running_loop()
    began, clock = time.time(), time.perf_counter()
    flood = _Pouring(iter(requests), connections)
    for _ in range(connections):
        await loop.create_connection(lambda: _Sender(flood), "127.0.0.1", port)
    await asyncio.wait([flood.done], timeout=LIMIT)
    if flood.done.done():
        flood.done.result()
    seconds = time.perf_counter() - clock
    await asyncio.to_thread(receipts.write_text, "\n".join(flood.receipts))
    return Poured(began, seconds, len(flood.receipts), flood.refused)


def pour(port: int, secret: str, flood: Flood, *, connections: int, receipts: Path) -> Poured:
    """Send a flood from a process of its own and return what was seen; the receipts are lines of a file."""
    given = [str(port), secret, json.dumps(asdict(flood)), str(connections), str(receipts)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.flood", "--", *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"the flood failed: {done.stderr[-2000:]}"
    return Poured(**json.loads(done.stdout))


def main() -> None:
    """Send as the arguments say and print what was seen as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("secret")
    parser.add_argument("flood", type=lambda text: Flood(**json.loads(text)))
    parser.add_argument("connections", type=int)
    parser.add_argument("receipts", type=Path)
    given = parser.parse_args()
    head = (
        "POST /webhooks/datadog HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Signoff-Token: {given.secret}\r\n"
        + (f"Signoff-Run: {given.flood.run}\r\n" if given.flood.run else "")
        + "Content-Length: "
    ).encode()
    bodies = deliveries(given.flood)
    requests = [head + b"%d\r\n\r\n" % len(body) + body for body in bodies]
    import uvloop  # noqa: PLC0415 -- only the process that sends needs it

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(_pour(given.port, requests, given.connections, given.receipts)))))


if __name__ == "__main__":
    main()
