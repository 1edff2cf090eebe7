"""Numbers and spans as people write them. All sentences are built here and in `telling`, from measured values only."""

from __future__ import annotations

from services.diagnoser.engines.offline.scene import Observation

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
_KILO = 1000.0
_UNITS = {"percent": "%", "pct": "%", "milliseconds": "ms", "seconds": "s", "count": "", "1/s": "/s"}
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def quantity(value: float, unit: str) -> str:
    """Return a value with its unit, such as `94 %` or `13.9 GB`."""
    if unit.lower() in {"bytes", "byte", "b"}:
        rank = 0
        while abs(value) >= _KILO and rank < len(_BYTES) - 1:
            value, rank = value / _KILO, rank + 1
        return f"{digits(value)} {_BYTES[rank]}"
    return f"{digits(value)} {_UNITS.get(unit.lower(), unit)}".rstrip()


def digits(value: float) -> str:
    """Return three digits that matter; whole numbers from a hundred on."""
    if abs(value) >= 100:  # noqa: PLR2004 -- three digits
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def span(seconds: float) -> str:
    """Return a length of time in its largest fitting unit."""
    seconds = abs(seconds)
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def clipped(text: str, length: int) -> str:
    """Return text of at most `length` characters on one line."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"


def moved(one: Observation) -> str:
    """Say where a series stands: its name, entity, and from what to what."""
    stands, unit = one.standing, one.series.unit
    subject = f"{one.series.name} of {one.entity}"
    if not one.is_harmful and abs(stands.shift) < SHOWN:
        return f"{subject} is within its background: {quantity(stands.after, unit)}"
    verb = "has grown without a break" if one.is_ramp else "went" if one.onset else "goes"
    old = ", and was so before the window" if one.is_old else ""
    return f"{subject} {verb} from {quantity(stands.before, unit)} to {quantity(stands.after, unit)}{old}"


SHOWN = 3.0
"""Widths from which on a change is told as one."""
