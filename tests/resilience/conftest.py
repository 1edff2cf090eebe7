"""The places where crash stories happen, and the table of how they ended."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.echo_main import Place

_ROWS = pytest.StashKey[dict[str, dict[str, str]]]()
STORES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
BUSES = ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(params=STORES)
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)


@pytest.fixture(params=BUSES)
def transport(request: pytest.FixtureRequest) -> str:
    """The kind of bus."""
    return str(request.param)


@pytest.fixture
def make_place(request: pytest.FixtureRequest, database: str, tmp_path: Path) -> Callable[..., Place]:
    """Make the test's place, on the given broker or on the embedded bus."""

    def make(servers: str = "") -> Place:
        location = request.getfixturevalue("postgres_url") if database == "postgres" else str(tmp_path / "echo.db")
        return Place(location, tmp_path, servers, f"t{uuid.uuid4().hex[:10]}.")

    return make


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Put one cell into the table that is printed at the end."""
    table = request.config.stash.setdefault(_ROWS, {})

    def cell(row: str, column: str, text: str) -> None:
        table.setdefault(row, {})[column] = text

    return cell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was done to the echo service, and what came of it."""
    table = config.stash.get(_ROWS, {})
    if not table:
        return
    columns = sorted({column for row in table.values() for column in row})
    width = 2 + max(len(text) for row, cells in table.items() for text in (row, *cells, *cells.values()))
    terminalreporter.section("the echo service: ended where, with which outcome")
    terminalreporter.write_line("".ljust(width) + "".join(column.ljust(width) for column in columns))
    for row, cells in table.items():
        terminalreporter.write_line(row.ljust(width) + "".join(cells.get(c, "").ljust(width) for c in columns))
