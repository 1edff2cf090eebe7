"""Senders that nobody wants, a process of its own: they hold connections and never send a whole request.

`idle` sends nothing, `head` and `body` one byte a second of a head and of a body. `broken` sends by turns 50 MB, as
much packed into 50 kB, less than it said, and a request hidden behind two lengths. What is closed is opened again, so
that there are always as many. Prints a line once all have been opened, and ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping

from benchmarks.measuring import on_processor

PAUSE = 1.0
"""Seconds between two bytes, and before a connection that was closed is opened again."""
OPENING = 64
"""Connections that are opened at a time."""
READY = "all are here"
_HEAD = b"POST /webhooks/pagerduty HTTP/1.1\r\nhost: a\r\n"
_MEGABYTE = b"x" * 1024 * 1024
_HUGE = 50
_BOMB = gzip.compress(_MEGABYTE * _HUGE)
_PACKED = b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(_BOMB)
BEGINNINGS: Mapping[str, tuple[tuple[bytes, ...], ...]] = {
    "idle": ((),),
    "head": ((_HEAD + b"x-slow: ",),),
    "body": ((_HEAD + b"content-length: 100000\r\n\r\n",),),
    "broken": (
        (_HEAD + b"content-length: %d\r\n\r\n" % (_HUGE * len(_MEGABYTE)), *[_MEGABYTE] * _HUGE),
        (_HEAD + _PACKED + _BOMB,),
        (_HEAD + b"content-length: 5000\r\n\r\n" + b"x" * 1000,),
        (_HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + _HEAD + b"\r\n",),
    ),
}
"""Kind -> what its senders begin with, by turns, in pieces."""


class Crowd:
    """`size` senders of one kind."""

    def __init__(self, port: int, kind: str, size: int) -> None:
        self._port = port
        self._beginnings = BEGINNINGS[kind]
        self._size = size
        self._opened = 0
        self._turn = asyncio.Semaphore(OPENING)

    async def gather(self) -> None:
        """Come, and stay until the input ends."""
        senders = [
            asyncio.create_task(self._stay(self._beginnings[number % len(self._beginnings)]))
            for number in range(self._size)
        ]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for sender in senders:
            sender.cancel()

    async def _stay(self, beginning: tuple[bytes, ...]) -> None:
        while True:
            with contextlib.suppress(OSError):
                async with self._turn:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                self._opened += 1
                if self._opened == self._size:
                    print(READY, flush=True)
                try:
                    await self._trickle(reader, writer, beginning)
                finally:
                    writer.close()
            await asyncio.sleep(PAUSE)

    async def _trickle(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, beginning: tuple[bytes, ...]
    ) -> None:
        for piece in beginning:
            writer.write(piece)
            await writer.drain()
        while not reader.at_eof():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1024), PAUSE)
            if beginning:
                writer.write(b"x")


@contextlib.contextmanager
def crowd(port: int, kind: str, size: int, processor: int) -> Iterator[None]:
    """Let a crowd come before the block and go after it."""
    command = [sys.executable, "-m", "benchmarks.crowd", str(port), kind, str(size)]
    with on_processor(processor):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == READY, "the crowd did not come"
        yield
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def most(wanted: int) -> int:
    """Return how many connections a process here may open, `wanted` at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - 200)


def main() -> None:
    """Be a crowd as the arguments say."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    port, kind, size = sys.argv[1:]
    asyncio.run(Crowd(int(port), kind, int(size)).gather())


if __name__ == "__main__":
    main()
