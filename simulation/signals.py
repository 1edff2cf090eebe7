"""Metrics and log lines as pure functions of time and history. The same seed gives the same world."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from simulation.scenario import Curve, LogSpec, MetricSpec, Pressure

LOG_BUCKET = 10.0
"""Seconds; the lines of one bucket are drawn together."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the world obeyed, at a minute of the scenario."""

    minute: float
    verb: str
    target: str
    arguments: dict[str, str] = field(default_factory=dict)


def pressure_at(pressure: Pressure, calls: Sequence[Call], minute: float) -> float:
    """Return the pressure at a minute, given the calls that happened (oldest first)."""
    since, value, rate = pressure.from_minute, 0.0, pressure.per_minute
    if minute < since and not calls:
        return 0.0
    for call in calls:
        if call.minute > minute:
            break
        for reaction in pressure.reactions:
            fits = reaction.verb == call.verb and reaction.target == call.target
            if fits and reaction.arguments.items() <= call.arguments.items():
                since, value, rate = call.minute, reaction.value, reaction.per_minute
    return min(max(value + rate * max(minute - since, 0.0), 0.0), pressure.limit)


def _on_line(points: Sequence[tuple[float, float]], at: float) -> float:
    before = points[0]
    for point in points:
        if at <= point[0]:
            span = point[0] - before[0]
            return point[1] if span == 0 else before[1] + (point[1] - before[1]) * (at - before[0]) / span
        before = point
    return before[1]


PressureOf = Callable[[str, float], float]


def _curves(curves: Sequence[Curve], pressure_of: PressureOf, minute: float) -> float:
    return sum(_on_line(curve.points, pressure_of(curve.pressure, minute)) for curve in curves)


def noise(seed: int, name: str, index: int) -> float:
    """Return a number of mean 0 and standard deviation 1, the same for the same arguments."""
    drawn = hashlib.blake2b(f"{seed}:{name}:{index}".encode(), digest_size=24).digest()
    # Twelve uniform numbers add up to one that is as good as normal.
    total: int = sum(struct.unpack("12H", drawn))
    return total / 65536.0 - 6.0


def metric_at(spec: MetricSpec, seed: int, at: float, minute: float, pressure_of: PressureOf) -> float:
    """Return the value at data time `at` (seconds since the epoch), which is `minute` of the scenario."""
    day = math.sin((at % 86400.0) / 86400.0 * 2 * math.pi - math.pi / 2) / 2 + 0.5
    value = spec.base + spec.daily * day + spec.noise * noise(seed, spec.id, int(at // 10))
    value += _curves(spec.curves, pressure_of, minute)
    value = value if spec.low is None else max(value, spec.low)
    return round(value if spec.high is None else min(value, spec.high), 4)


def lines_in(spec: LogSpec, seed: int, bucket: int, minute: float, pressure_of: PressureOf) -> list[tuple[float, str]]:
    """Return (data time, message) of the lines of one bucket (`bucket` x 10 s since the epoch)."""
    rate = max(spec.per_minute + _curves(spec.curves, pressure_of, minute), 0.0) * LOG_BUCKET / 60.0
    name = f"{spec.entity}:{spec.message}"
    chance = zlib.crc32(f"{seed}:{name}:{bucket}".encode()) / 0xFFFFFFFF
    count = int(rate) + (1 if chance < rate - int(rate) else 0)
    lines = []
    for index in range(count):
        n = zlib.crc32(f"{seed}:{name}:{bucket}:{index}".encode())
        lines.append(((bucket + (n % 1000) / 1000.0) * LOG_BUCKET, spec.message.replace("{n}", str(n % 9973))))
    return sorted(lines)
