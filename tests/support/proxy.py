"""A TCP proxy on loopback that breaks what it carries: between a service and its database, its broker or a vendor.

`down`: nobody listens, and what was open is reset. `black_hole`: connections stay open and no byte passes, so nobody is
told. `lose_replies`: what is asked arrives, what is answered does not. `cut_replies_at`: so many bytes of each
connection's answers pass, then it is reset; with `cut_only` just on connections that asked for such bytes. `latency`:
seconds that each piece waits. `reset()` ends what is open, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

PIECE = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Carries bytes to `host:port`, from a port of its own or the one given. Its faults may change at any time."""

    def __init__(self, host: str, port: int, *, listen: int = 0) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._spared: set[asyncio.StreamWriter] = set()
        """Where answers go to whoever has not asked for `cut_only`."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = listen
        self.latency = 0.0
        self.black_hole = False
        self.lose_replies = False
        self.cut_replies_at: int | None = None
        self.cut_only = b""
        self.opened = 0
        """Connections so far."""
        self.swallowed = 0
        """Bytes that did not pass."""

    @property
    def address(self) -> str:
        """The address to connect to."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.down()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.reset()

    async def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections, and reset those that are open."""
        server, self._server = self._server, None
        if server is not None:
            for one in server.sockets:
                asyncio.get_running_loop().remove_reader(one.fileno())
            # asyncio forgets to close connections that it has accepted when their server closes before they begin.
            await asyncio.sleep(0.01)
            server.close()
        self.reset()
        await asyncio.sleep(0)

    def reset(self) -> None:
        """Reset every connection that is open."""
        for writer in list(self._writers):
            _reset(writer)

    def heal(self) -> None:
        """End all faults but `down`; connections that lost bytes are reset, since no stream survives a gap."""
        broken = self.black_hole or self.lose_replies
        self.latency, self.black_hole, self.lose_replies, self.cut_replies_at = 0.0, False, False, None
        if broken:
            self.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take in a connection at once, so that none is forgotten whose task is ended before it begins."""
        self.opened += 1
        self._writers.add(writer)
        self._begin(self._carry(reader, writer))

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._upstream)
            ends.append(far_writer)
            self._writers.add(far_writer)
            self._spared.add(writer)
            asked = self._begin(self._ask(reader, far_writer, writer))
            answered = self._begin(self._answer(far_reader, writer))
            await asyncio.wait((asked, answered), return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # Nobody is there; who connected is told by the end of the connection.
        finally:
            for one in ends:
                self._end(one)

    def _end(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        self._spared.discard(writer)
        writer.close()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                if self.cut_only in piece:
                    self._spared.discard(back)
                await asyncio.sleep(self.latency)
                if self.black_hole:
                    self.swallowed += len(piece)
                    continue
                writer.write(piece)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE):
                await asyncio.sleep(self.latency)
                if self.black_hole or self.lose_replies:
                    self.swallowed += len(piece)
                    continue
                limit = None if writer in self._spared else self.cut_replies_at
                if limit is not None and passed + len(piece) > limit:
                    writer.write(piece[: max(0, limit - passed)])
                    await writer.drain()
                    self.swallowed += passed + len(piece) - limit
                    _reset(writer)
                    return
                passed += len(piece)
                writer.write(piece)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side reads "connection reset"."""
    found = writer.get_extra_info("socket")
    if found is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        writer.transport.abort()
