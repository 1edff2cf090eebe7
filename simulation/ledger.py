"""The world's append-only file. What happened is what it says; a restarted world reads it back and goes on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from shared.errors import ConfigurationError


class Ledger:
    """One JSON object a line, synced to disk before `append` returns. One owner at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise ConfigurationError(f"{path} is in use by another world; stop it or choose another --data") from error
        # A crash may have cut off the last line; what comes next must not be glued to it.
        whole = path.read_bytes().rfind(b"\n") + 1
        self._file.truncate(whole)

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self._file.write(orjson.dumps(entry) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield all entries. Raises ConfigurationError for a line that is none."""
        for number, line in enumerate(self._path.read_bytes().splitlines(), 1):
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise ConfigurationError(f"{self._path}:{number}: not an entry of the world's ledger") from error

    def close(self) -> None:
        """Release the file."""
        self._file.close()
