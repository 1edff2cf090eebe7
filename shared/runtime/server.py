"""HTTP listeners of a process, on sockets that were bound before anything else was started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from shared.errors import ConfigurationError
from shared.runtime.http import BoundedProtocol
from shared.runtime.ports import user_of

STOP_SECONDS = 3
"""How long open requests may go on when the process stops."""
KEEP_ALIVE_SECONDS = 15
CONNECTIONS_MAX = 2000


class PortInUseError(ConfigurationError):
    """Another process listens on the port."""


def bind(host: str, port: int, *, name: str) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises PortInUseError when the port is taken, ConfigurationError when it cannot be had for another reason.
    """
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(1024)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"port {port} is in use{user_of(port)}") from error
        raise ConfigurationError(f"{name}: port {port} on {host} cannot be used: {error.strerror}") from error
    found.setblocking(False)
    return found


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    def install_signal_handlers(self) -> None:
        """Do nothing."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@dataclass(slots=True)
class Listener:
    """One socket and what answers on it."""

    socket: socket.socket
    app: ASGIApp
    _server: _Server | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self.socket.getsockname()[1])

    async def start(self) -> None:
        """Serve; returns when requests are answered."""
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # No peer may say who it is or how it came; who needs to know looks at the headers.
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            limit_concurrency=CONNECTIONS_MAX,
            http=BoundedProtocol,
            ws="none",
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self.socket]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise ConfigurationError("the listener ended at once")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Answer what is open for a moment, then close."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.wait([self._task], timeout=STOP_SECONDS + 2)
