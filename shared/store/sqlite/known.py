"""What the writer itself put into the tables last: it alone changes them, so it need not read that again."""

from __future__ import annotations

from collections.abc import Sequence

BYTES_MAX = 2 * 1024 * 1024
"""Of states and bodies; with more than that everything is forgotten, and read again where it is wanted."""

InboxRow = tuple[str, int, str, str, bytes, str, float]
StateRow = tuple[str, str, int, int, int, bytes, str]
"""Aggregate, state, version, out_seq, audit_seq, audit_head, timers."""


class Known:
    """States of aggregates, and messages in inboxes. Must be told to `forget` whenever a change is undone."""

    def __init__(self) -> None:
        self._states: dict[str, StateRow] = {}
        self._inboxes: dict[str, list[InboxRow]] = {}
        self._bytes = 0

    def forget(self) -> None:
        """Know nothing."""
        self._states, self._inboxes, self._bytes = {}, {}, 0

    def state(self, aggregate: str) -> StateRow | None:
        """Return an aggregate as its table holds it; None when that is to be read."""
        return self._states.get(aggregate)

    def inbox(self, aggregate: str) -> Sequence[InboxRow]:
        """Return messages that follow on one another and lie in an inbox; there may be others before and after."""
        return self._inboxes.get(aggregate, ())

    def saved(self, rows: Sequence[StateRow]) -> None:
        """Remember aggregates as they were written."""
        for row in rows:
            old = self._states.get(row[0])
            self._bytes += _weight(row) - (_weight(old) if old else 0)
            self._states[row[0]] = row
        self._limit()

    def kept(self, rows: Sequence[InboxRow]) -> None:
        """Remember messages that were put into inboxes, after those of the same inbox before them."""
        for row in rows:
            before = self._inboxes.setdefault(row[0], [])
            if before and before[-1][1] != row[1] - 1:
                self.decided(row[0], before[-1][1])
                before = self._inboxes[row[0]] = []
            before.append(row)
            self._bytes += len(row[4])
        self._limit()

    def decided(self, aggregate: str, last: int) -> None:
        """Forget messages up to number `last`, which leave their inbox."""
        rows = self._inboxes.get(aggregate)
        if rows:
            left = [row for row in rows if row[1] > last]
            self._bytes -= sum([len(row[4]) for row in rows]) - sum([len(row[4]) for row in left])
            if left:
                self._inboxes[aggregate] = left
            else:
                del self._inboxes[aggregate]

    def _limit(self) -> None:
        if self._bytes > BYTES_MAX:
            self.forget()


def _weight(row: StateRow) -> int:
    return len(row[1]) + len(row[6])
