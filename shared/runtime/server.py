"""HTTP listeners of a process, on sockets that were bound before anything else was started."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from shared.errors import ConfigurationError
from shared.runtime.http import CROWD, BoundedProtocol
from shared.runtime.ports import user_of

STOP_SECONDS = 3
"""How long open requests may go on when the process stops."""
KEEP_ALIVE_SECONDS = 15
BACKLOG = 4096
"""Connections that the system keeps waiting for us, silent ones among them."""
SILENT_SECONDS = 5
"""About how long the system keeps a connection to itself whose sender says nothing, where it can."""
CONNECTIONS_MAX = 2000
"""Open at a time on one listener, where the process may have so many files; then those that wait give way."""


class PortInUseError(ConfigurationError):
    """Another process listens on the port."""


def bind(host: str, port: int, *, name: str) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises PortInUseError when the port is taken, ConfigurationError when it cannot be had for another reason.
    """
    found = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):  # Else a crowd of silent ones costs us 50 us each, again and again.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, SILENT_SECONDS)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"port {port} is in use{user_of(port)}") from error
        raise ConfigurationError(f"{name}: port {port} on {host} cannot be used: {error.strerror}") from error
    found.setblocking(False)
    return found


def _connections_max() -> int:
    """Return how many connections leave room for other files; first take as many files as the process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 6 * CONNECTIONS_MAX
    if soft < wanted and soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # Some systems say they have no limit and still have one.
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS_MAX if soft == resource.RLIM_INFINITY else min(CONNECTIONS_MAX, soft // 6)


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
        connections = _connections_max()
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
            # Far fewer are taken in at once than may be open, so that none gives way before it was listened to.
            backlog=max(1, connections // 16),
            limit_concurrency=CROWD * connections,
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
        self.socket.listen(BACKLOG)

    async def stop(self) -> None:
        """Answer what is open for a moment, then close."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.wait([self._task], timeout=STOP_SECONDS + 2)
