"""Series as people read them: a line, a sentence, a short table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.incident.evidence import MetricTimeSeries

WIDTH, HEIGHT = 240, 48
ROWS_MAX = 12
_LARGE, _SMALL = 1000.0, 10.0
_PREFIXES = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Chart:
    """One series, ready to be shown. `lines` are points of SVG polylines; a gap in the data is a gap in the line."""

    title: str
    sentence: str
    lines: tuple[str, ...]
    rows: tuple[tuple[datetime, str], ...]


def chart(series: MetricTimeSeries) -> Chart:
    """Return a series as a chart."""
    return Chart(
        title=f"{series.name} of {series.entity}",
        sentence=_sentence(series),
        lines=_lines(series.values),
        rows=tuple(_rows(series)),
    )


def amount(value: float | None, unit: str) -> str:
    """Return a measurement as people say it."""
    if value is None:
        return "no data"
    if unit == "bytes":
        return f"{_prefixed(value)}B"
    shown = f"{value:.0f}" if abs(value) >= _SMALL else f"{value:.2g}"
    return f"{shown} {unit}".strip()


def _prefixed(value: float) -> str:
    for prefix in _PREFIXES:
        if abs(value) < _LARGE or prefix == _PREFIXES[-1]:
            return f"{value:.3g} {prefix}"
        value /= _LARGE
    return f"{value:.3g} "


def _sentence(series: MetricTimeSeries) -> str:
    known = [(index, value) for index, value in enumerate(series.values) if value is not None]
    if not known:
        return "There are no data."
    first, last = known[0][1], known[-1][1]
    top_at, top = max(known, key=lambda pair: pair[1])
    word = "rose" if last > first else "fell" if last < first else "stayed"
    moved = f"from {amount(first, series.unit)} to {amount(last, series.unit)}" if last != first else "the same"
    at = series.start + timedelta(seconds=series.step_seconds * top_at)
    limit = f"; its limit is {amount(series.limit, series.unit)}" if series.limit is not None else ""
    return f"It {word} {moved}; the highest was {amount(top, series.unit)} at {at:%H:%M} UTC{limit}."


def _lines(values: Sequence[float | None]) -> tuple[str, ...]:
    known = [value for value in values if value is not None]
    if not known:
        return ()
    low, high = min(known), max(known)
    span, step = (high - low) or 1.0, WIDTH / max(1, len(values) - 1)
    lines: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{index * step:.1f},{HEIGHT - 2 - (value - low) / span * (HEIGHT - 4):.1f}")
    return tuple(" ".join(points) for points in lines if points)


def _rows(series: MetricTimeSeries) -> list[tuple[datetime, str]]:
    count = len(series.values)
    every = max(1, -(-count // ROWS_MAX))
    return [
        (series.start + timedelta(seconds=series.step_seconds * index), amount(series.values[index], series.unit))
        for index in range(count - 1, -1, -every)
    ][::-1]
