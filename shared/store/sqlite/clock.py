"""The clock of an SQLite store: wall time that never goes back, and never slower than the monotonic clock."""

from __future__ import annotations

import threading

from shared.runtime.clock import monotonic, wall


class SteadyClock:
    """Shared by the writer thread and its callers. A wall clock that is set back is not followed back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = wall()
        self._at = monotonic()

    def now(self) -> float:
        """Return seconds since the epoch, never less than before."""
        with self._lock:
            at = monotonic()
            self._now = max(wall(), self._now + at - self._at)
            self._at = at
            return self._now
