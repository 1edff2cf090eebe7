"""Series as people read them: a line, a sentence, a short table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.incident.evidence import MetricTimeSeries

WIDTH, HEIGHT = 240, 64
ROWS_MAX = 12
_LARGE, _SMALL = 1000.0, 10.0
_SAME = 0.05
"""A share of the value; a smaller difference between first and last is not worth a word."""
_PREFIXES = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Chart:
    """One series, ready to be shown. `lines` are points of SVG polylines; a gap in the data is a gap in the line.

    The scale begins at zero, so that noise looks like noise. `limit` is the height of the series' limit, `marks` are
    the places of changes with what they were.
    """

    title: str
    sentence: str
    lines: tuple[str, ...]
    rows: tuple[tuple[datetime, str], ...]
    start: datetime
    end: datetime
    top: str = ""
    limit: float | None = None
    marks: tuple[tuple[float, str], ...] = ()


def chart(series: MetricTimeSeries, changes: Sequence[tuple[datetime, str]] = ()) -> Chart:
    """Return a series as a chart, with the changes that fell into its time."""
    end = series.start + timedelta(seconds=series.step_seconds * max(1, len(series.values) - 1))
    low, high = _scale(series)
    return Chart(
        title=f"{series.name} of {series.entity}",
        sentence=_sentence(series),
        lines=_lines(series.values, low, high),
        rows=tuple(_rows(series)),
        start=series.start,
        end=end,
        top=amount(high, series.unit),
        limit=None if series.limit is None else round(_height(series.limit, low, high), 1),
        marks=tuple(
            (round((at - series.start) / (end - series.start) * WIDTH, 1), text)
            for at, text in changes
            if series.start <= at <= end
        ),
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
    if abs(last - first) <= _SAME * max(abs(last), abs(first)):
        moved = f"stayed near {amount(last, series.unit)}"
    else:
        word = "rose" if last > first else "fell"
        moved = f"{word} from {amount(first, series.unit)} to {amount(last, series.unit)}"
    at = series.start + timedelta(seconds=series.step_seconds * top_at)
    limit = f"; its limit is {amount(series.limit, series.unit)}" if series.limit is not None else ""
    return f"It {moved}; the highest was {amount(top, series.unit)} at {at:%H:%M} UTC{limit}."


def _scale(series: MetricTimeSeries) -> tuple[float, float]:
    known = [value for value in (*series.values, series.limit) if value is not None]
    low = min(0.0, *known) if known else 0.0
    high = max(known, default=1.0)
    return low, high if high > low else low + 1.0


def _height(value: float, low: float, high: float) -> float:
    return HEIGHT - 2 - (value - low) / (high - low) * (HEIGHT - 4)


def _lines(values: Sequence[float | None], low: float, high: float) -> tuple[str, ...]:
    step = WIDTH / max(1, len(values) - 1)
    lines: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            lines.append([])
        else:
            lines[-1].append(f"{index * step:.1f},{_height(value, low, high):.1f}")
    return tuple(" ".join(points) for points in lines if points)


def _rows(series: MetricTimeSeries) -> list[tuple[datetime, str]]:
    count = len(series.values)
    every = max(1, -(-count // ROWS_MAX))
    return [
        (series.start + timedelta(seconds=series.step_seconds * index), amount(series.values[index], series.unit))
        for index in range(count - 1, -1, -every)
    ][::-1]
