from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import pytest

from tests.resilience.leaks import Leaks, rows, run_to


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "approve",
    [
        pytest.param("never", id="until it asks", marks=pytest.mark.crash),
        pytest.param("auto", id="to its end", marks=pytest.mark.nightly),
    ],
)
def test_of_a_hundred_secrets_none_is_found_in_what_anybody_can_see(tmp_path: Path, approve: str) -> None:
    said: list[str] = []
    leaks = run_to(tmp_path, said.append, approve=approve)
    assert len(leaks.cores) >= 100
    assert leaks.found == []


def test_the_search_finds_a_secret_that_is_there(tmp_path: Path) -> None:

    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("create table t (body blob)")
        connection.execute(
            "insert into t values (?)", (zlib.compress(b'{"a": "s33cret-core", "raw": "s33cret-core"}'),)
        )
    leaks = Leaks(["s33cret-core"])
    for text in rows(tmp_path / "x.db"):
        leaks.search("x.db", text)
    assert leaks.found == ["x.db: s33cret-core"]
    assert "found = 1" in list(leaks.lines())
