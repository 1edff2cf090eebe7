"""The page on what faults cost changes only with what was shown."""

from __future__ import annotations

from tests.resilience.report import NIGHTLY, Line, page

KILLED = Line("F2", "killed", "store", "1", 0, 0)
FROZEN = Line("F7", "frozen", "bus", "0", 0, 0)
LONG = Line("F7", "frozen for an hour", "bus", "0", 0, 0, run=NIGHTLY)
KILLED_LONG = Line("F2", "killed", "store", "all", 0, 0, run=NIGHTLY)


def test_the_same_run_writes_the_same_page_in_whatever_order_its_tests_end() -> None:
    first = page([KILLED, FROZEN])

    assert page([FROZEN, KILLED, KILLED]) == first
    assert page([KILLED, FROZEN], first) == first


def test_what_long_runs_have_shown_stays_while_every_change_is_shown_anew() -> None:
    before = page([KILLED, FROZEN, LONG])

    assert page([KILLED], before) == page([KILLED, LONG])


def test_a_long_run_of_some_tests_replaces_their_rows_alone() -> None:
    before = page([KILLED, LONG, KILLED_LONG])
    again = Line("F2", "killed", "store", "200", 0, 0, run=NIGHTLY)

    assert page([again], before) == page([KILLED, LONG, again])
