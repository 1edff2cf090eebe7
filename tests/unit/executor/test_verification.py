from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.domain.verification import (
    GRACE,
    OBSERVED_MAX,
    READ_MIN,
    Point,
    judge,
    observed,
    verify_with_retry,
)


def points(text: str, every: float = 10.0) -> list[Point]:
    """Return one point for each character: `+` holds, `-` does not, a space is a gap in the data."""
    return [Point(number * every, 1.0, mark == "+") for number, mark in enumerate(text) if mark != " "]


@pytest.mark.parametrize(
    "seen, late, verdict",
    [
        pytest.param("", False, None, id="nothing was read yet"),
        pytest.param("", True, "unknown", id="nothing was read in time"),
        pytest.param("--++", False, None, id="it holds, but not long enough yet"),
        pytest.param("--++++", False, "passed", id="it held for its time"),
        pytest.param("++++--", False, "passed", id="it held for its time and no more"),
        pytest.param("-+-+-+-+-", False, None, id="it never holds for long, and the deadline is not reached"),
        pytest.param("-+-+-+-+-+-", False, "failed", id="it never held for long until the deadline"),
        pytest.param("-----------", False, "failed", id="it never held until the deadline"),
        pytest.param("--------+++++", False, "failed", id="it held too late"),
        pytest.param("-----", True, "unknown", id="the data end before the deadline"),
        pytest.param("++", True, "unknown", id="it began to hold, then the data ended"),
        pytest.param("---      ++", False, "failed", id="there is a gap, but data reach the deadline"),
        pytest.param("-------++++", True, "passed", id="it held for its time exactly until the deadline, read late"),
    ],
)
def test_the_verdict_over_points_with_a_deadline_at_100_and_30_seconds_to_hold(
    seen: str,
    late: bool,  # noqa: FBT001 -- a table
    verdict: str | None,
) -> None:
    assert judge(points(seen), deadline=100.0, hold=30.0, late=late) == verdict


@pytest.mark.parametrize(
    "seen, verdict",
    [
        pytest.param("+     +", None, id="it was so before and after a hole"),
        pytest.param("+     +++++", "passed", id="it held for its time after a hole"),
        pytest.param("+ + +", "passed", id="each second measurement is lost"),
        pytest.param("++       +++", "unknown", id="it may have held in the hole"),
        pytest.param("--       +++", "failed", id="even so it would not have held for its time"),
    ],
)
def test_what_was_not_measured_is_never_a_pass(seen: str, verdict: str | None) -> None:
    assert judge(points(seen), deadline=100.0, hold=30.0, late=False, hole=25.0) == verdict


def test_without_a_time_to_hold_one_good_point_is_enough() -> None:
    assert judge(points("-+"), deadline=100.0, hold=0.0, late=False) == "passed"
    assert judge(points("--"), deadline=100.0, hold=0.0, late=False) is None


def test_reads_begin_when_the_condition_can_have_held_and_go_on_at_a_steady_pace_beyond_the_deadline() -> None:
    due = list(verify_with_retry(max_attempts=40, interval=30, backoff=1.0, hold=120, within=200))
    assert due == [120, 150, 180, 200, 230, 260]


def test_backoff_makes_reads_rarer_but_one_is_due_at_the_deadline() -> None:
    due = list(verify_with_retry(max_attempts=3, interval=30, backoff=2.0, hold=0, within=600))
    assert due[:4] == [0, 30, 90, 600]


def test_a_sped_up_world_is_read_in_its_own_time_but_never_more_often_than_twice_a_second() -> None:
    due = list(verify_with_retry(max_attempts=9, interval=30, backoff=1.0, hold=60, within=120, pace=120.0))
    assert due[:3] == [0.5, 1.0, 1.5]


@given(
    runbook=st.fixed_dictionaries(
        {
            "max_attempts": st.integers(1, 50),
            "interval": st.integers(1, 600),
            "backoff": st.floats(1.0, 3.0),
            "hold": st.integers(0, 900),
        }
    ),
    within=st.integers(1, 3600),
    pace=st.sampled_from([1.0, 30.0, 600.0]),
)
def test_a_schedule_ends_is_in_order_and_reads_at_the_deadline(
    runbook: dict[str, Any], within: int, pace: float
) -> None:
    due = list(verify_with_retry(**runbook, within=within, pace=pace))
    assert within / pace in due
    assert all(later > earlier for earlier, later in pairwise(due))
    assert due[-1] <= within / pace + GRACE
    after = [one for one in due if one >= within / pace]
    assert all(later - earlier >= READ_MIN - 1e-9 for earlier, later in pairwise(after))


def test_what_was_observed_is_a_few_measurements_with_their_unit_and_the_newest_last() -> None:
    many = [Point(float(number), float(number), True) for number in range(100)]
    shown = observed(many, "%")
    assert len(shown) <= OBSERVED_MAX
    assert shown[-1] == "99.0 %"
    assert observed(many[:2], "") == ["0.0", "1.0"]
    assert observed([], "%") == []
