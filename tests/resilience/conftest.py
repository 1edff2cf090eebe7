"""The places where crash stories happen, and the table of what they cost."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from services.executor.domain import governing
from simulation import driver
from simulation.scenario import load_scenario
from tests.resilience import report
from tests.resilience.account import Toll
from tests.resilience.elsewhere import ELSEWHERE
from tests.resilience.house import House
from tests.support.echo_main import Place

_ASKED = os.environ.pop(report.ASKED, "")
"""Taken away before any test runs: the product refuses settings that it does not know."""
_ROWS = pytest.StashKey[list[tuple[str, ...]]]()
_HEAD = ("database", "bus", "fault", "messages", "lost", "doubled", "sent again", "calls told lost", "seconds")
STORES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
BUSES = ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)]

_LINES = pytest.StashKey[list[report.Line]]()

Tell = Callable[[str, str, Toll], None]
Enter = Callable[[report.Line], None]


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
def enter(request: pytest.FixtureRequest) -> Enter:
    """Put one line into the report on reliability, with the runs that show it."""
    lines = request.config.stash.setdefault(_LINES, [])
    run = report.NIGHTLY if request.node.get_closest_marker("nightly") else report.EVERY_CHANGE
    return lambda line: lines.append(replace(line, run=run))


@pytest.fixture
def tell(request: pytest.FixtureRequest, database: str, enter: Enter) -> Tell:
    """Put one line into the table that is printed at the end, and into the report: bus, fault, cost."""
    rows = request.config.stash.setdefault(_ROWS, [])

    def row(bus: str, fault: str, toll: Toll) -> None:
        *counts, seconds = toll
        rows.append((database, bus, fault, *map(str, counts), f"{seconds:.1f}"))
        enter(report.of_echo(database, bus, fault, toll.lost, toll.doubled))

    return row


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report if one is asked for and all went well."""
    ran = {item.nodeid.partition("[")[0] for item in session.items}
    lines = session.config.stash.get(_LINES, []) + [ELSEWHERE[name] for name in ran & ELSEWHERE.keys()]
    if _ASKED and lines and exitstatus == pytest.ExitCode.OK:
        report.write(session.config.rootpath / _ASKED, lines)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was done to the echo service, and what it cost."""
    told = config.stash.get(_ROWS, None)
    if not told:
        return
    rows = sorted(told, key=lambda row: row[:2])
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    terminalreporter.section("what faults cost the echo service")
    for row in (_HEAD, *rows):
        cells = [f"{cell:{'<' if cell in row[:3] else '>'}{width}}" for cell, width in zip(row, widths, strict=True)]
        terminalreporter.write_line("  ".join(cells))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STORES)
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Executor and notifier in one process, started once for all cases of a module."""
    postgres = request.getfixturevalue("postgres") if request.param == "postgres" else None
    url = postgres.create() if postgres else ""
    found = House(tmp_path_factory.mktemp("house"), url)
    with pytest.MonkeyPatch.context() as patch:
        # After a freeze ends, people wait up to 15 s; these tests do not.
        patch.setattr(governing, "FROZEN_RETRY", 0.2)
        patch.setattr(driver, "load_scenario", functools.cache(load_scenario))
        await found.open()
        yield found
        await found.close()
    if postgres:
        postgres.drop(url)
