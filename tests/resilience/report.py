"""`docs/reliability.md`: what was broken, how, and what it cost. No times, no dates: it changes only with facts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

ASKED = "SIGNOFF_RELIABILITY_REPORT"
"""The environment names the file to write; without it nothing is written."""
HEAD = ("matrix", "fault", "where", "kills", "lost", "duplicated", "effects", "stuck", "at rest within", "seed", "run")
EVERY_CHANGE, NIGHTLY = "every change", "nightly"
"""In which runs a row is shown anew."""
ONCE = "<= 1"
"""Effects per approved step, or per `once` activity of the echo service."""
ECHO_LIMIT = "90 s"

_SEED = re.compile(r", seed \d+")
_KILLED = re.compile(r"killed (\d+) times|killed (again and again)")
_FAILPOINT = re.compile(r"(store|bus|intake|relay|activity)\.\w+")

_INTRODUCTION = """# What faults cost

Written by `make reliability-report`, which runs the fault suites under `tests/resilience` and writes this page only
when all of them pass; so does any run with `SIGNOFF_RELIABILITY_REPORT=docs/reliability.md`, be it of `.ci/run` or of
single long forms. Rows of *nightly* runs stay until `make nightly` shows them again. The invariants that every line
stands for: what was acknowledged is not lost, each receipt has one disposition, each approved step has at most one
effect, nothing is stuck. *Matrix* names the fault in the list that the suites work through; *drawn* means that each
run draws a seed and prints it. Times are limits that the suite holds, not measurements.

How faults are made: `kill -9` by the process itself at named failpoints (`shared/store/failpoints.py`) and wherever a
task waits (`tests/resilience/await_points.py`: points are enumerated, each end is that of a process, the next start is
judged; of a pair that start ends as well, and the third is judged); signals; a TCP proxy in the line
(`tests/support/proxy.py`: latency, down, reset, black hole, lost replies, replies cut at a byte); limits of the process
in place of a full disk; locks and transactions of others in the database; a state machine over the services' own
transitions with a bus, workers, clocks and people that misbehave (`tests/resilience/model`). Nothing needs root. The
judge is never the product: an outside world that only grows, and an offline checker over sender history, audit chains,
the world's ledger and the stores (`tests/resilience/checker.py`).
*Kills* such as "2 of all" are how many of all points a run draws and ends at.

"""


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One fault and what it cost."""

    matrix: str
    fault: str
    where: str
    kills: str
    lost: int
    duplicated: int
    effects: str = ONCE
    stuck: int = 0
    within: str = ECHO_LIMIT
    seed: str = "fixed"
    run: str = EVERY_CHANGE


def of_echo(database: str, bus: str, fault: str, lost: int, doubled: int) -> Line:
    """Return the line of a fault of the echo service."""
    seed = "drawn" if _SEED.search(fault) or fault.startswith("killed") else "fixed"
    name = _SEED.sub("", fault)
    killed = _KILLED.search(name)
    kills = (
        killed[1] or killed[2] if killed else "1" if _FAILPOINT.fullmatch(name) or name.startswith("killed") else "0"
    )
    return Line(_matrix(name), name, f"echo service, {database}, {bus}", kills, lost, doubled, seed=seed)


def _matrix(name: str) -> str:
    if _FAILPOINT.fullmatch(name):
        return "F2"
    if name.startswith("killed"):
        return "F4"
    if name.startswith("database: "):
        return "F13" if "killed" in name else "F15"
    if name.startswith("database line"):
        return "F13, F14, F20"
    return "F11" if name.startswith("broker line") else "F7, F8"


def page(lines: Iterable[Line], before: str = "") -> str:
    """Return the page, given the one before: what only long runs show stays until one shows it again."""
    rows = {tuple(map(str, astuple(line))) for line in lines}
    table = [HEAD, tuple("---" for _ in HEAD), *sorted(rows | _kept(before, rows))]
    return _INTRODUCTION + "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n"


def _kept(before: str, rows: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Return the rows of a page that other runs than this one have shown."""
    _, _, table = before.partition("| --- |")
    known = {tuple(line[2:-2].split(" | ")) for line in table.splitlines()[1:]}
    shown = {(*row[:3], row[-1]) for row in rows}
    is_whole = any(row[-1] == EVERY_CHANGE for row in rows)
    return {row for row in known if (*row[:3], row[-1]) not in shown and (row[-1] != EVERY_CHANGE or not is_whole)}


def write(path: Path, lines: Iterable[Line]) -> None:
    """Write the page."""
    path.write_text(page(lines, path.read_text("utf-8") if path.exists() else ""), "utf-8")
