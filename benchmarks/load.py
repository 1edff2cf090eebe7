"""The load generator, a process of its own: senders that keep their connection and send one request after the other.

Without a rate each sender sends its next request as soon as it has an answer (closed loop). With a rate requests fall
due at fixed times whatever the server does (open loop), and an answer took as long as since then: one that had to wait
for a free sender, or behind a server that stood still, waited (nothing is omitted because the server was slow).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from benchmarks.measuring import on_processor, percentile

LOAD_PROCESSOR = 1
AGAIN_SECONDS = 0.05
"""How long a sender whose connection broke waits before it connects again."""
GRACE = 30.0
"""Seconds in which the last answers must come."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What senders saw. Times in milliseconds; `late`: how long after it was due the 99th percentile was written."""

    answered: int
    seconds: float
    p50: float
    p99: float
    worst: float
    late: float
    refused: int
    """Answers other than 2xx."""
    again: int
    """Requests that were sent again because the connection broke before the answer."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


class _Sender(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._due: float | None = None
        self._request = b""
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        if self._due is None:
            self._load.free(self)
        else:
            self._load.again += 1
            self._transport.write(self._request)

    def ask(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time."""
        assert self._transport is not None
        self._request, self._due = request, due
        self._transport.write(request)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head = self._data.find(b"\r\n\r\n")
        if head < 0:
            return
        place = self._data.find(b"content-length: ", 0, head + 2)
        length = int(self._data[place + 16 : self._data.find(b"\r\n", place)]) if place >= 0 else 0
        if len(self._data) < head + 4 + length or self._due is None:
            return
        status, due = self._data[9:12], self._due
        self._data, self._due = b"", None
        self._load.answered(status, due)
        self._load.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport, self._data = None, b""
        self._load.lost(self)


class Load:
    """All senders of one run and what they saw."""

    def __init__(self, port: int, requests: Sequence[bytes], rate: float | None) -> None:
        self.again = 0
        self._port = port
        self._requests = requests
        self._next = 0
        self._rate = rate
        self._idle: deque[_Sender] = deque()
        self._due: deque[float] = deque()
        self._end = 0.0
        self._took: list[float] = []
        self._late: list[float] = []
        self._refused = 0
        self._under_way = 0
        self._connecting: set[asyncio.Task[None]] = set()

    async def run(self, connections: int, seconds: float) -> Sent:
        """Send for so long and return what was seen of it."""
        begun = time.perf_counter()
        self._end = begun + seconds
        senders = [_Sender(self) for _ in range(connections)]
        for sender in senders:
            await self._connect(sender)
        if self._rate is not None:
            await self._fall_due(begun, seconds, self._rate)
        await asyncio.sleep(self._end - time.perf_counter())
        deadline = time.perf_counter() + GRACE
        while self._under_way and time.perf_counter() < deadline:  # noqa: ASYNC110 -- it is the end of a run
            await asyncio.sleep(0.001)
        for sender in senders:
            sender.close()
        took, late = [1000 * one for one in self._took], [1000 * one for one in self._late]
        if self._under_way:
            raise RuntimeError(f"{self._under_way} requests had no answer {GRACE:g} s after the end")
        p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
        whole = max(seconds, time.perf_counter() - begun if self._rate else seconds)
        return Sent(len(took), whole, p50, p99, max(took), percentile(late, 0.99), self._refused, self.again)

    async def _fall_due(self, begun: float, seconds: float, rate: float) -> None:
        for number in range(round(seconds * rate)):
            due = begun + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            self._due.append(due)
            self._under_way += 1
            if self._idle:
                self.free(self._idle.popleft())

    def free(self, sender: _Sender) -> None:
        """Give a sender that has nothing to do the next request."""
        now = time.perf_counter()
        if self._rate is None:
            if now < self._end:
                self._under_way += 1
                self._ask(sender, now, now)
        elif self._due:
            self._ask(sender, self._due.popleft(), now)
        else:
            self._idle.append(sender)

    def _ask(self, sender: _Sender, due: float, now: float) -> None:
        self._late.append(now - due)
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        sender.ask(request, due)

    def answered(self, status: bytes, due: float) -> None:
        """Note an answer."""
        self._under_way -= 1
        self._took.append(time.perf_counter() - due)
        self._refused += not status.startswith(b"2")

    def lost(self, sender: _Sender) -> None:
        """Connect a sender again whose connection has ended."""
        if sender in self._idle:
            self._idle.remove(sender)
        if self._under_way or time.perf_counter() < self._end:
            task = asyncio.create_task(self._connect(sender))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, sender: _Sender) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.create_connection(lambda: sender, "127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return


def send(
    port: int,
    requests: Path,
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
    processor: int = LOAD_PROCESSOR,
) -> Sent:
    """Run the generator as a process of its own and return what it saw. `requests` is a file of `write_requests`."""
    given = [str(port), str(requests), str(connections), str(seconds), *([str(rate)] if rate else [])]
    with on_processor(processor):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.load", *given], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, f"the load generator failed: {done.stderr[-2000:]}"
    return Sent(**json.loads(done.stdout))


def write_requests(path: Path, requests: Sequence[bytes]) -> Path:
    """Write requests for `send` and return the file."""
    path.write_text(json.dumps([request.decode("latin-1") for request in requests]))
    return path


def _new_loop(rate: float | None) -> asyncio.AbstractEventLoop:
    if rate is not None:
        # Only `select` waits for less than a millisecond, and few requests need little speed.
        return asyncio.SelectorEventLoop(selectors.SelectSelector())
    import uvloop  # noqa: PLC0415 -- as it says

    return uvloop.new_event_loop()


def main() -> None:
    """Send as the arguments say and print what was seen as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("requests", type=Path)
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=float, nargs="?")
    given = parser.parse_args()
    requests = [text.encode("latin-1") for text in json.loads(given.requests.read_text())]
    load = Load(given.port, requests, given.rate)
    with asyncio.Runner(loop_factory=lambda: _new_loop(given.rate)) as runner:
        print(json.dumps(asdict(runner.run(load.run(given.connections, given.seconds)))))


if __name__ == "__main__":
    main()
