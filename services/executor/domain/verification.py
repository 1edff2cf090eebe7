"""Did it help? A pure schedule of reads, and a pure judgement of what they saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

READ_MIN = 0.5
"""Wall seconds between two reads, however fast a simulated run is."""
GRACE = 60.0
"""Wall seconds that data may be late."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement after the step: data time, value, whether the condition held."""

    at: float
    value: float
    holds: bool


def verify_with_retry(max_attempts: int, interval: float, backoff: float, pace: float = 1.0) -> Iterator[float]:
    """Yield the wall seconds to wait before each read after the first; ends after `max_attempts` reads.

    `interval` is data time; `backoff` multiplies it from read to read.
    """
    wait = interval / pace
    for _ in range(max_attempts - 1):
        yield max(wait, READ_MIN)
        wait *= backoff


def held_for(points: Sequence[Point], deadline: float) -> float:
    """Return the longest time before the deadline for which the condition held without a break, in data seconds."""
    longest = 0.0
    since: float | None = None
    for point in points:
        if point.at > deadline:
            break
        if not point.holds:
            since = None
            continue
        since = point.at if since is None else since
        longest = max(longest, point.at - since)
    return longest


def judge(
    points: Sequence[Point], *, data_now: float, deadline: float, for_seconds: float, late: bool
) -> Literal["passed", "failed", "unknown"] | None:
    """Return the verdict, None while it is open.

    passed: the condition held long enough before the deadline, whenever it was read. failed: data reach the deadline
    and it did not. unknown: no data by the deadline and its grace (`late`); never a pass.
    """
    in_time = [point for point in points if point.at <= deadline]
    if in_time and held_for(in_time, deadline) >= for_seconds and (for_seconds > 0 or in_time[-1].holds):
        return "passed"
    reaches = bool(points) and (points[-1].at >= deadline or (data_now >= deadline and bool(in_time)))
    if reaches and (late or points[-1].at >= deadline):
        return "failed"
    return "unknown" if late else None
