"""A real PostgreSQL: a local cluster in a temporary folder, or one that is there already."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.support.provider import (
    MissingServerError,
    Probe,
    choose,
    docker_answers,
    free_port,
    install_packages,
    run_program,
)

ADDRESS = "SIGNOFF_TEST_POSTGRES_URL"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "unix_socket_directories": "",
}


def _binary(name: str) -> str | None:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(versions[-1]) if versions else None)


def is_installed() -> bool:
    """Say whether a local cluster can be made."""
    return _binary("initdb") is not None and _binary("postgres") is not None


def install() -> None:
    """Install PostgreSQL from Debian's packages when it is missing."""
    if not is_installed():
        install_packages("PostgreSQL", ["postgresql"])


def _someone_else() -> int | None:
    """Return the user to run the server as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise MissingServerError("PostgreSQL does not run as root and there is no user `postgres` or `nobody`")


class PostgresServer:
    """A server; `url` is its maintenance database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def create(self) -> str:
        """Return the address of a fresh database."""
        name = f"t{uuid.uuid4().hex[:16]}"
        self.execute(f'create database "{name}"')
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Remove a database, with whoever still uses it."""
        self.execute(f'drop database if exists "{urlsplit(url).path[1:]}" with (force)')

    def execute(self, statement: str) -> None:
        """Run one statement on the maintenance database, from a thread of its own: the caller may be in a loop."""
        failed: list[BaseException] = []

        async def run() -> None:
            connection = await asyncpg.connect(self.url, timeout=20)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        def in_thread() -> None:
            try:
                asyncio.run(run())
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                failed.append(error)

        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    def close(self) -> None:
        """End what was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LocalPostgres(PostgresServer):
    """A cluster of the test's own; it may be killed and started again on the same data."""

    def __init__(self) -> None:
        # Not in pytest's folder: each pytest that starts closes that one to every other user, such as this server's.
        self._folder = Path(tempfile.mkdtemp(prefix="signoff-postgres-"))
        self._data = self._folder / "data"
        self._log = self._folder / "postgres.log"
        self._user = _someone_else()
        self._port = free_port()
        if self._user is not None:
            os.chown(self._folder, self._user, -1)
        super().__init__(f"postgresql://signoff@127.0.0.1:{self._port}/postgres")
        initdb = [_binary("initdb") or "", "-D", str(self._data), "-U", "signoff", "-A", "trust", "-E", "UTF8"]
        run_program([*initdb, "--locale=C", "--no-sync"], seconds=120, user=self._user, cwd=Path("/"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [_binary("postgres") or "", "-D", str(self._data), "-p", str(self._port), *settings]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                cwd="/",
            )
        deadline = time.monotonic() + 60
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended: {self._log.read_text()[-800:]}")
            try:
                self.execute("select 1")
            except (OSError, asyncpg.PostgresError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def kill(self) -> None:
        """End the server at once, as a crash would; its children end with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the server in order and remove its data."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.send_signal(3)
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class _ContainerPostgres(PostgresServer):
    def __init__(self) -> None:
        from testcontainers.postgres import PostgresContainer

        self._container = PostgresContainer("postgres:17", driver=None)
        self._container.start()
        super().__init__(self._container.get_connection_url())

    def close(self) -> None:
        self._container.stop()


def open_postgres() -> PostgresServer:
    """Return a running server by the first way that works. Raises MissingServerError."""
    address = os.environ.get(ADDRESS)
    way = choose("PostgreSQL", Probe(address, docker_answers, is_installed))
    if way == "given":
        return PostgresServer(address or "")
    if way == "container":
        return _ContainerPostgres()
    local = LocalPostgres()
    local.start()
    return local


def open_private_postgres() -> LocalPostgres:
    """Return a server that a fault test may kill. Raises MissingServerError."""
    if not is_installed():
        raise MissingServerError("fault tests need a local PostgreSQL of their own; run `make test-servers`")
    local = LocalPostgres()
    local.start()
    return local
