"""What all benches share: rows with their verdict, medians over interleaved rounds, processor time and memory."""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

T = TypeVar("T")
Verdict = Literal["", "short", "kept", "goal reached"]

_TICKS = os.sysconf("SC_CLK_TCK")
_COLUMNS = ("", "measured", "floor", "ratio", "worst to best", "asked", "verdict")


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked of a number: `limit` now, `wish` later. `least`: more is better."""

    limit: float
    wish: float | None = None
    least: bool = False

    def verdict(self, value: float) -> Verdict:
        """Say how far a number reaches."""

        def reaches(bound: float) -> bool:
            return value >= bound if self.least else value <= bound

        if not reaches(self.limit):
            return "short"
        return "kept" if self.wish is None or not reaches(self.wish) else "goal reached"

    def __str__(self) -> str:
        sign = ">=" if self.least else "<="
        return f"{sign} {self.limit:g}" + (f" (goal {self.wish:g})" if self.wish is not None else "")


def at_least(limit: float, wish: float | None = None) -> Goal:
    """Return a goal of a number of which more is better."""
    return Goal(limit, wish, least=True)


def at_most(limit: float, wish: float | None = None) -> Goal:
    """Return a goal of a number of which less is better."""
    return Goal(limit, wish)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. The goal judges the ratio where there is a floor, else what was measured."""

    name: str
    measured: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    goal: Goal | None = None
    spread: str = ""

    @property
    def judged(self) -> float:
        """The number that the goal is about."""
        return self.measured if self.ratio is None else self.ratio

    @property
    def verdict(self) -> Verdict:
        """How far the number reaches; empty for one that is told and not judged."""
        return self.goal.verdict(self.judged) if self.goal is not None else ""

    def cells(self) -> tuple[str, ...]:
        """Return the line as texts."""
        floor = "" if self.floor is None else number(self.floor)
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        goal = "" if self.goal is None else str(self.goal)
        return (
            self.name,
            f"{number(self.measured)} {self.unit}".strip(),
            floor,
            ratio,
            self.spread,
            goal,
            self.verdict,
        )


def number(value: float) -> str:
    """Return a number with three digits that mean something."""
    if not math.isfinite(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.01 or value == 0 else f"{value:.1g}"


def row(name: str, unit: str, values: Sequence[float], goal: Goal | None = None) -> Row:
    """Return the line of a number without floor: the median of its rounds."""
    return Row(name, statistics.median(values), unit, goal=goal, spread=_spread(values))


def ratio_row(name: str, unit: str, values: Sequence[float], floors: Sequence[float], goal: Goal | None = None) -> Row:
    """Return the line of a number beside its floor, both by round: the ratio is the median of the rounds' ratios."""
    ratios = [value / floor for value, floor in zip(values, floors, strict=True)]
    median = statistics.median
    return Row(name, median(values), unit, median(floors), median(ratios), goal, _spread(ratios))


def _spread(values: Sequence[float]) -> str:
    return f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else ""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of all do not exceed; the nearest rank. Raises ValueError for none."""
    if not values:
        raise ValueError("no values, so no percentile")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def interleaved(cases: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every case once a round, each round beginning with another: what drifts then hits all of them alike."""
    names = list(cases)
    found: dict[str, list[T]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(cases[name]())
    return found


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table of Markdown that is aligned, so that it reads well on a terminal too."""
    lines = [_COLUMNS, *(one.cells() for one in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def processor_seconds(*pids: int) -> float:
    """Return what the processes have computed so far, user and system, in seconds; not their children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # It ended while we looked.
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def resident_megabytes(*pids: int) -> float:
    """Return what the processes hold in memory now (resident, 10^6 bytes)."""
    return sum(_status(pid, "VmRSS") for pid in pids)


def peak_megabytes(*pids: int) -> float:
    """Return the most that each of the processes ever held in memory, added up (10^6 bytes)."""
    return sum(_status(pid, "VmHWM") for pid in pids)


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6


@contextlib.contextmanager
def on_processor(index: int) -> Iterator[None]:
    """Let the processes that are started inside run on one processor only (the last one where there are fewer)."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[min(index, len(before) - 1)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Give a function that says how many seconds have passed since."""
    begun = time.perf_counter()
    yield lambda: time.perf_counter() - begun
