"""The benches of store, way, storm, approvals and console run, and what they count is right. Speed is never asked."""

from __future__ import annotations

import math

import pytest

from benchmarks.__main__ import run_bench

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("store", marks=pytest.mark.postgres),
        pytest.param("pipeline", marks=pytest.mark.kafka),
        pytest.param("storm", marks=pytest.mark.kafka),
        pytest.param("outbreak", marks=pytest.mark.nightly),
        "approvals",
        "console",
    ],
)
def test_a_quick_run_loses_nothing_doubles_nothing_and_tells_nobody_too_often(name: str) -> None:
    result = run_bench(name, quick=True)
    assert not result.failure
    assert result.rows
    for row in result.rows:
        assert math.isfinite(row.measured), row
        assert row.unit or row.verdict != "short", row
