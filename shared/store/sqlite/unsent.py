"""The unsent rows of the outbox in memory, so that what was just committed goes out without being read again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, islice

from shared.store.port import Outbound

ROWS_MAX = 2_000
BYTES_MAX = 4 * 1024 * 1024
"""What is kept between two moments without unsent rows; with more than that the database is read, until all is sent."""


class Unsent:
    """Rows by number, oldest first. Used on the event loop only.

    `whole` says that no other row waits in the database. Rows are added as their commits are told, so those that come
    while the database is read are younger than what is read, or are the same.
    """

    def __init__(self) -> None:
        self.whole = False
        self._rows: dict[int, Outbound] = {}
        self._bytes = 0
        self._reading: object = None

    def add(self, rows: Iterable[Outbound]) -> None:
        """Keep rows that were committed."""
        if not self.whole and self._reading is None:
            return
        for row in rows:
            self._rows[row.n] = row
            self._bytes += _size(row)
        if len(self._rows) > ROWS_MAX or self._bytes > BYTES_MAX:
            self.forget()

    def remove(self, rows: Iterable[Outbound]) -> None:
        """Forget rows that are sent, once this is committed."""
        for row in rows:
            self._rows.pop(row.n, None)
        if not self._rows:
            self._bytes = 0

    def forget(self) -> None:
        """Keep nothing until the database is read again."""
        self.whole, self._reading = False, None
        self._rows, self._bytes = {}, 0

    def read(self) -> object:
        """Begin to read the database; return a token for `complete`."""
        self.forget()
        self._reading = object()
        return self._reading

    def complete(self, token: object, rows: Iterable[Outbound]) -> None:
        """Take over all rows there were, unless something came between."""
        if token is self._reading:
            since, self._rows, self._bytes = list(self._rows.values()), {}, 0
            self.add(rows)
            self.add(since)
            self.whole, self._reading = self._reading is not None, None

    def oldest(self, limit: int, size_max: int) -> list[Outbound]:
        """Return the oldest rows: at most so many, and so many bytes unless the first alone has more."""
        rows = list(islice(self._rows.values(), limit))
        return rows if self._bytes <= size_max else bounded(rows, size_max)


def bounded(rows: list[Outbound], size_max: int) -> list[Outbound]:
    """Return the first of `rows`: at most so many bytes unless the first alone has more."""
    sizes = accumulate(_size(row) for row in rows)
    return rows[: max(1, sum(size <= size_max for size in sizes))]


def _size(row: Outbound) -> int:
    return len(row.headers.text) + len(row.body)
