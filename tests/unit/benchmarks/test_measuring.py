from __future__ import annotations

import os

import pytest

from benchmarks.measuring import (
    Goal,
    Row,
    at_least,
    at_most,
    family,
    interleaved,
    number,
    percentile,
    processor_seconds,
    ratio_row,
    resident_megabytes,
    row,
    table,
)
from benchmarks.page import Result, filled


@pytest.mark.parametrize(
    "goal,value,verdict",
    [
        pytest.param(at_least(0.45, 0.6), 0.44, "short", id="less than is asked of what should be large"),
        pytest.param(at_least(0.45, 0.6), 0.45, "kept", id="just what is asked"),
        pytest.param(at_least(0.45, 0.6), 0.6, "goal reached", id="just the goal"),
        pytest.param(at_most(2.0), 2.0, "kept", id="just what is asked of what should be small"),
        pytest.param(at_most(2.0), 2.1, "short", id="more than is asked of what should be small"),
        pytest.param(at_most(25.0, 15.0), 12.0, "goal reached", id="below the goal"),
    ],
)
def test_a_number_is_short_of_what_is_asked_or_keeps_it_or_reaches_the_goal(
    goal: Goal, value: float, verdict: str
) -> None:
    assert Row("a", value, "s", goal=goal).verdict == verdict


def test_a_row_with_a_floor_is_judged_by_its_ratio() -> None:
    assert Row("a", 4500.0, "/s", 10_000.0, 0.45, at_least(0.45)).verdict == "kept"


def test_a_row_without_a_goal_is_told_and_not_judged() -> None:
    assert row("a", "s", [1.0]).verdict == ""


def test_a_ratio_is_the_median_of_the_rounds_so_that_one_disturbed_round_does_not_count() -> None:
    found = ratio_row("a", "/s", [50.0, 5.0, 60.0], [100.0, 100.0, 100.0])
    assert (found.measured, found.floor, found.ratio, found.spread) == (50.0, 100.0, 0.5, "0.05 to 0.6")


def test_each_round_runs_every_case_once_and_begins_with_another() -> None:
    order: list[str] = []
    cases = {name: (lambda name=name: order.append(name)) for name in "abc"}
    found = interleaved(cases, 3)
    assert "".join(order) == "abcbcacab"
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_percentile_is_a_value_that_was_there() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0, 0.0)] == [50.0, 99.0, 100.0, 1.0]
    assert percentile([7.0], 0.99) == 7.0


def test_without_values_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    "value,text",
    [(0.0, "0"), (0.004, "0.004"), (0.123456, "0.123"), (12.345, "12.3"), (12345.6, "12,346"), (float("inf"), "inf")],
)
def test_a_number_has_three_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text


def test_the_columns_of_a_table_are_aligned() -> None:
    lines = table([row("short", "s", [1.0]), row("a name that is longer", "ms", [1234.0])]).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1


def test_a_process_has_computed_and_weighs_something() -> None:
    assert os.getpid() in family(os.getpid())
    assert processor_seconds(os.getpid()) > 0
    assert resident_megabytes(os.getpid()) > 10


def test_the_page_keeps_what_people_wrote_around_the_table_of_a_bench() -> None:
    page = "# Page\n\nbefore\n<!-- measured: a -->\nold\n<!-- end: a -->\nafter\n"
    written = filled(page, Result("a", "About a.", [row("new", "s", [1.0])], 3.0))
    before, _, rest = written.partition("<!-- measured: a -->")
    assert before == "# Page\n\nbefore\n"
    assert rest.endswith("<!-- end: a -->\nafter\n")
    assert "| new" in rest
    assert "old" not in rest


def test_a_bench_without_a_place_on_the_page_gets_a_chapter_at_its_end() -> None:
    written = filled("# Page\n", Result("b", "About b.", [row("new", "s", [1.0])]))
    assert "## b\n\nAbout b.\n\n<!-- measured: b -->\n| " in written


def test_a_bench_that_failed_leaves_no_old_numbers_on_the_page() -> None:
    page = "<!-- measured: a -->\nold\n<!-- end: a -->\n"
    assert filled(page, Result("a", "About a.", failure="it broke")) == (
        "<!-- measured: a -->\nThis bench did not end: it broke\n<!-- end: a -->\n"
    )


def test_a_page_that_lost_the_end_of_a_table_is_not_written() -> None:
    with pytest.raises(ValueError, match="end: a"):
        filled("<!-- measured: a -->\nold\n", Result("a", "About a."))
