"""The benches run and give numbers. How large they are is never asked here."""

from __future__ import annotations

import math

import pytest

from benchmarks.__main__ import run_bench

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("name", ["ingest"])
def test_a_quick_run_of_a_bench_ends_and_all_its_numbers_are_some(name: str) -> None:
    result = run_bench(name, quick=True)
    assert not result.failure
    assert result.rows
    for row in result.rows:
        assert math.isfinite(row.measured) and row.measured >= 0, row  # noqa: PT018 -- one sentence
        assert row.floor is None or row.floor > 0, row
        assert row.ratio is None or row.ratio > 0, row
