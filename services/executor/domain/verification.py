"""Did it help? A pure schedule of reads, and a pure judgement of what they saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

Verdict = Literal["passed", "failed", "unknown"]

READ_MIN = 0.5
"""Wall seconds between two reads, however fast a simulated run is."""
GRACE = 60.0
"""Wall seconds that data may be late."""
OBSERVED_MAX = 12
"""Measurements that a verdict shows."""
HOLE_STEPS = 2.5
"""Steps of a series between two measurements in which nobody knows what was: one may be lost, not two."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement after the step: data time, value, whether the condition held."""

    at: float
    value: float
    holds: bool


def verify_with_retry(
    *, max_attempts: int, interval: float, backoff: float, hold: float, within: float, pace: float = 1.0
) -> Iterator[float]:
    """Yield when to read, in wall seconds after the step; `interval`, `hold` and `within` are data seconds.

    The first read is due when the condition can have held for its time, at most `max_attempts` reads lie before the
    data deadline, each `backoff` times later than the one before. However slow they became, one is due at the deadline
    itself, and steady ones follow until data can be late no more.
    """
    due, wait = min(hold, within), interval
    for _ in range(max_attempts):
        if due >= within:
            break
        yield due / pace
        due, wait = due + max(wait, READ_MIN * pace), wait * backoff
    end = within / pace
    steady = max(interval / pace, READ_MIN)
    for number in range(int(GRACE / steady) + 1):
        yield end + number * steady


def held_for(points: Sequence[Point], deadline: float, hole: float = inf) -> float:
    """Return the longest time before the deadline for which the condition held without a break, in data seconds.

    More than `hole` seconds without a measurement are a break.
    """
    longest = 0.0
    since: float | None = None
    before = -inf
    for point in points:
        if point.at > deadline:
            break
        if not point.holds:
            since = None
        else:
            since = point.at if since is None or point.at - before > hole else since
            longest = max(longest, point.at - since)
        before = point.at
    return longest


def judge(points: Sequence[Point], *, deadline: float, hold: float, late: bool, hole: float = inf) -> Verdict | None:
    """Return the verdict, None while it is open.

    passed: the condition held long enough before the deadline, whenever it was read. failed: data reach the deadline
    and it did not. unknown: they do not reach it, and can be late no more (`late`), or are missing where it may have
    held; never a pass.
    """
    in_time = [point for point in points if point.at <= deadline]
    some = any(point.holds for point in in_time)
    if some and held_for(in_time, deadline, hole) >= hold:
        return "passed"
    if points and points[-1].at >= deadline:
        return "unknown" if some and held_for(in_time, deadline) >= hold else "failed"
    return "unknown" if late else None


def observed(points: Sequence[Point], unit: str) -> list[str]:
    """Return at most OBSERVED_MAX measurements as text, oldest first, the newest among them."""
    step = -(-len(points) // OBSERVED_MAX) or 1
    chosen = points[::-1][::step][::-1]
    return [f"{point.value:.1f} {unit}".strip() for point in chosen]
