"""`python -m benchmarks [NAME ...] [--write docs/performance.md] [--quick]`: run benches one after the other.

Prints a table for each; exits 1 when one of them fails or misses what is asked of it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from benchmarks.bench import Bench
from benchmarks.measuring import Row, table, timed
from benchmarks.page import Result, machine, write

BENCHES = (
    "startup",
    "ingest",
    "delivery",
    "pressed",
    "hostile",
    "store",
    "pipeline",
    "storm",
    "outbreak",
    "approvals",
    "console",
)


class BenchModule(Protocol):
    """A module of a bench; the first line of its docstring says what it measures."""

    def run(self, bench: Bench) -> list[Row]:
        """Measure."""


def run_bench(name: str, *, quick: bool) -> Result:
    """Run one bench to its end, whatever happens in it."""
    module = importlib.import_module(f"benchmarks.{name}")
    about = (module.__doc__ or "").strip().partition("\n")[0]
    busy, own = _busy_seconds(), _own_seconds()
    with timed() as elapsed:
        try:
            with Bench(quick) as bench:
                rows = cast("BenchModule", module).run(bench)
        except Exception as error:  # noqa: BLE001 -- the others are still to be run; the table tells
            traceback.print_exc()
            return Result(name, about, failure=f"{type(error).__name__}: {error}")
        seconds = elapsed()
    others = max(0.0, _busy_seconds() - busy - (_own_seconds() - own)) / seconds
    return Result(name, about, rows, seconds, others)


def _busy_seconds() -> float:
    """Return what all processors together have computed since the machine started, in seconds."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return what this process and those it has started and ended have computed, in seconds."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Signoff.")
    parser.add_argument("benches", nargs="*", metavar="NAME", help=f"one or more of {', '.join(BENCHES)}; all without")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables between their markers in this page")
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds each; shows that they run, measures nothing"
    )
    given = parser.parse_args(arguments)
    if unknown := set(given.benches) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was started is ended.
    print(machine())
    results = []
    for name in given.benches or BENCHES:
        result = run_bench(name, quick=given.quick)
        results.append(result)
        print(f"\n{name}: {result.about} ({result.seconds:.0f} s, others {result.others:.1f} processors)")
        print(result.failure or table(result.rows), flush=True)
        if given.write is not None:
            write(given.write, result)
    if given.quick:
        return int(any(result.failure for result in results))
    return int(any(result.failure or result.short for result in results))


if __name__ == "__main__":
    sys.exit(main())
