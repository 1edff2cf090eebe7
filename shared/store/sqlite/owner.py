"""One process owns a database file: a lock that the kernel drops with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from shared.errors import ConfigurationError


class Owner:
    """The lock beside a database file. The lock file is never removed, or two processes could lock two of them."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file: TextIO | None = None

    def acquire(self) -> None:
        """Become the owner. Raises ConfigurationError that names the process which is."""
        path = self._database.with_name(self._database.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="ascii")
        except OSError as error:
            raise ConfigurationError(f"cannot write {path.parent}: {error.strerror}; choose another --data") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            file.close()
            raise ConfigurationError(
                f"{self._database} is in use by process {pid}; stop it, or choose another --data directory"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Stop being the owner. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None
