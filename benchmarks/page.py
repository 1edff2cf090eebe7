"""`docs/performance.md`: the runner fills in what stands between markers, one pair a bench; people write the rest."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from benchmarks.measuring import Row, table


@dataclass(frozen=True, slots=True)
class Result:
    """What one bench found. `failure` says why it did not end, empty when it did."""

    bench: str
    about: str
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    others: float = 0.0
    """Processors that programs which are not ours kept busy meanwhile."""
    failure: str = ""

    @property
    def short(self) -> list[Row]:
        """The rows that miss what is asked of them."""
        return [one for one in self.rows if one.verdict == "short"]


def section(result: Result) -> str:
    """Return what a bench found as Markdown: table, machine, how quiet it was."""
    if result.failure:
        return f"This bench did not end: {result.failure}"
    measured = f"{date.today().isoformat()}, {machine()}; {result.seconds:.0f} s"  # noqa: DTZ011 -- the day of who runs it
    return f"{table(result.rows)}\n\n{measured}, while other programs kept {result.others:.1f} processors busy."


def machine() -> str:
    """Return what the numbers were measured on."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processors = f"{os.cpu_count()} x {model[1] if model else platform.machine()}"
    return f"{processors}, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def filled(page: str, result: Result) -> str:
    """Return the page with what a bench found between its markers, at its end when it has none yet."""
    begin, end = f"<!-- measured: {result.bench} -->", f"<!-- end: {result.bench} -->"
    block = f"{begin}\n{section(result)}\n{end}"
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n## {result.bench}\n\n{result.about}\n\n{block}\n"
    _, ended, after = rest.partition(end)
    if not ended:
        raise ValueError(f"the page lacks {end!r} behind {begin!r}; put it back")
    return before + block + after


def write(path: Path, result: Result) -> None:
    """Write what was found into the page. Raises ValueError when a marker has lost its other half."""
    page = path.read_text() if path.exists() else "# How fast it is, and what it costs\n"
    path.write_text(filled(page, result))
