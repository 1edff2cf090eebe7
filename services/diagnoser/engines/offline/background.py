"""Where a series stands now, judged against its own past: nothing is large or small by itself.

The baseline is cut into windows as long as the span that counts as "now"; how far their medians lie apart is what is
normal. All numbers are in the unit of the series, all times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.diagnoser.domain.case import CaseBackground

Array = npt.NDArray[np.float64]
NOW = 300.0
"""Seconds at the end of the window that count as now."""
FINE = 12
"""Into so many parts the span that counts as now is told at least; finer measurements are put together."""
SHIFTED = 3.0
"""Widths of the background from which on a series has shifted."""
STARTED = 1.5
"""Widths from which on a shift that is going on has begun."""
FARTHEST = 100.0
"""Widths; what never moved before is not infinitely far out."""
RECENT = 3
"""Background windows that count as just before the window."""
RAMP_SECONDS = 600.0
RAMP_POINTS = 6
WINDOWS_MAX = 200
WINDOWS = 8
"""Background windows below which a history is thin."""
ALONE = 3
"""The part of a window that counts as now at most when there is no baseline at all: the last third."""
START = 6
"""The part of a window that counts as its past when there is no baseline at all: the first sixth."""
EVEN = 0.2
"""The least share of the growth in each half of a ramp; half of it on a straight line."""
MOST = 0.4
"""The least share of the whole rise between the outer thirds of a ramp; two thirds on a straight line, 0 of a step."""
FEW = 1.0
"""By how much wider than seen two windows are taken to lie apart; the excess falls as there are more of them."""
_NORMAL = 1.4826
"""Median absolute deviation to standard deviation."""
_TAIL = 1.2816
"""The 90 % quantile of a normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a series stands. `shift` is signed, in widths of its background; `onset` is seconds before the end."""

    before: float
    after: float
    width: float
    shift: float
    peak: float
    """The largest shift within the window."""
    onset: float | None
    is_ramp: bool
    suddenness: float
    """The share of its largest size that the shift had reached soon after the onset, at most half-way to now."""
    share_earlier: float
    """The share that was there some background windows before the window: what came later may have led up to it."""
    windows: int
    """How many background windows there were to judge by."""
    rarity: float
    """The share of background windows at least as far out as now, counting now itself."""
    is_kept: bool = False
    """Whether the background is one that was kept from earlier, because too little of it came with the series."""

    @property
    def is_shifted(self) -> bool:
        """Whether it is outside its background now."""
        return abs(self.shift) >= SHIFTED

    @property
    def is_farthest(self) -> bool:
        """Whether it is as far out as anything can be: it (nearly) never moved before."""
        return abs(self.shift) >= FARTHEST * (1.0 - 1e-9)

    @property
    def was_shifted(self) -> bool:
        """Whether it was outside at some time of the window and no longer is."""
        return not self.is_shifted and abs(self.peak) >= SHIFTED


def standing(
    baseline: Sequence[float | None],
    window: Sequence[float | None],
    step: float,
    floor: Callable[[float], float],
    kept: CaseBackground | None = None,
) -> Standing | None:
    """Return where a series stands, or None when nothing was measured in the later half of the window.

    What was kept counts when the baseline is thin.
    """
    earlier, later = (np.array(part, dtype=np.float64) for part in (baseline, window))
    span = NOW if kept is not None and kept.depth >= WINDOWS else _now(len(earlier), len(later), step)
    size = max(min(round(span / step), len(later)) // FINE, 1)
    earlier, later, step = _coarse(earlier, size), _coarse(later, size), step * size
    values = np.concatenate([earlier, later])
    position = np.flatnonzero(~np.isnan(values))
    values = values[position]
    first = int(np.searchsorted(position, len(earlier)))
    if len(values) == first or position[-1] < len(earlier) + (len(later) - 1) // 2:
        return None
    now = min(max(round(span / step), 3), len(values) - first)
    split = first if first >= 2 * now else _start(first, len(values))
    kept = kept if kept is not None and split // now < WINDOWS <= kept.depth else None
    is_alone = not first and kept is None and len(values) > 1
    jitter = _NORMAL * float(_median(np.abs(np.diff(values)))) if is_alone else 0.0
    if np.count_nonzero(values[-now:]) < now / 2:
        jitter = float(np.std(values[:split])) / now**0.5
        values = _averaged(values, now)
    past = values[:split]
    medians = np.array(kept.medians, dtype=np.float64) if kept else _windows(past, now)
    before = float(_median(medians if kept else past))
    width = _width(medians, past, before, max(floor(before), 1e-12), jitter)
    windows = kept.depth if kept else len(medians)
    smooth = _smooth(values, now)
    after = float(_median(values[-now:]))
    width = max(width, abs(after - before) / FARTHEST)
    shift = (after - before) / width
    recent = (smooth[first:] - before) / width
    side = 1.0 if shift >= 0 else -1.0
    beyond = int(np.sum(side * (medians - before) >= abs(after - before)))
    since = _onset(smooth, before, width, side) if abs(shift) >= SHIFTED else None
    # What began before the data grew from where they begin, as far as anybody can see.
    is_older = kept is not None and since == 0 and side * (after - smooth[0]) >= SHIFTED * width
    level = float(smooth[0]) if is_older else before
    rise: Array = side * (smooth[since:] - level) if since is not None else np.zeros(1)
    when: Array = position.astype(np.float64) * step
    end = len(earlier) + len(later)
    recent_from = max(first - RECENT * now, 0)
    return Standing(
        before=before,
        after=after,
        width=width,
        shift=shift,
        peak=float(recent[np.argmax(np.abs(recent))]),
        onset=float(end - position[since]) * step if since is not None else None,
        is_ramp=_is_ramp(rise, when[since:]),
        suddenness=float(rise[min(2 * now, len(rise) // 2)] / max(float(np.max(rise)), 1e-12)),
        share_earlier=_share(values[recent_from : min(recent_from + now, first)], before, after),
        windows=windows,
        rarity=(1 + beyond * windows / max(len(medians), 1)) / (windows + 1),
        is_kept=kept is not None,
    )


def _now(earlier: int, later: int, step: float) -> float:
    """Return the seconds that count as now: fewer where the past is too short for enough windows of them."""
    parts = earlier / WINDOWS if earlier else later / ALONE
    return max(min(NOW, parts * step), 3 * step)


def _coarse(values: Array, size: int) -> Array:
    """Return the medians of spans of `size` values, so that a second's step costs no more than a minute's.

    Of what is mostly zero, such as errors, it is the means: the median would be zero however many there are.
    """
    if size == 1:
        return values
    spans = np.sort(values[len(values) % size :].reshape(-1, size), axis=1)
    known = np.count_nonzero(~np.isnan(spans), axis=1)
    if np.count_nonzero(values) < len(values) / 2:
        return np.where(known > 0, np.nansum(spans, axis=1) / np.maximum(known, 1), np.nan)
    rows = np.arange(len(spans))
    middle = (spans[rows, np.maximum(known - 1, 0) // 2] + spans[rows, np.minimum(known // 2, size - 1)]) / 2.0
    return np.where(known > 0, middle, np.nan)


def _averaged(values: Array, length: int) -> Array:
    """Return running means over the `length` values up to each one."""
    total = np.cumsum(np.concatenate([np.full(length, values[:length].mean()), values]))
    return np.asarray((total[length:] - total[:-length]) / length)


def _median(values: Array) -> Array:
    """Return medians along the last axis; for short arrays several times as quick as NumPy's own."""
    ordered = np.sort(values, axis=-1)
    size = ordered.shape[-1]
    return np.asarray((ordered[..., (size - 1) // 2] + ordered[..., size // 2]) / 2.0)


def _tenths(values: Array) -> Array:
    """Return the 10 % and the 90 % quantile."""
    ordered = np.sort(values)
    return np.interp((0.1 * (len(ordered) - 1), 0.9 * (len(ordered) - 1)), np.arange(len(ordered)), ordered)


def _start(first: int, total: int) -> int:
    """Return how many values count as the past when there is (nearly) no baseline: the start of the window as well."""
    return max((total - first) // 3 + first, 1) if first else max(total // START, 2)


def _share(recent: Array, before: float, after: float) -> float:
    if not len(recent) or after == before:
        return 0.0
    return (float(_median(recent)) - before) / (after - before)


def _windows(past: Array, length: int) -> Array:
    """Return the medians of the background windows, the newest of them; none when there are not two."""
    count = min(len(past) // length, WINDOWS_MAX)
    return _median(past[-count * length :].reshape(count, length)) if count > 1 else np.empty(0)


def _width(medians: Array, past: Array, centre: float, floor: float, jitter: float) -> float:
    """Return what one step of surprise is."""
    if not len(medians):
        spread = _NORMAL * float(_median(np.abs(past - np.median(past))))
        return max(spread, jitter, 2 * floor / SHIFTED)
    spread = _NORMAL * float(_median(np.abs(medians - centre)))
    tail = float(np.max(np.abs(_tenths(medians) - centre))) / _TAIL
    few = 1.0 + FEW / max(len(medians) - 1, 1)
    return max(spread * few, tail * few, floor / SHIFTED, jitter)


def _smooth(values: Array, length: int) -> Array:
    """Return running medians over the `length` values up to each one."""
    padded = np.concatenate([np.full(length - 1, values[0]), values])
    return np.asarray(_median(np.lib.stride_tricks.sliding_window_view(padded, length)), dtype=np.float64)


def _onset(smooth: Array, before: float, width: float, side: float) -> int:
    """Return the index since when the series has been off its background without a break."""
    calm = np.flatnonzero(side * (smooth - before) < STARTED * width)
    return min(int(calm[-1]) + 1, len(smooth) - 1) if len(calm) else 0


def _is_ramp(rise: Array, when: Array) -> bool:
    """Whether a shift came about gradually. At its ceiling it may rest."""
    top = int(np.argmax(rise >= 0.95 * float(np.max(rise)))) + 1
    span = float(when[top - 1] - when[0])
    if top < RAMP_POINTS or span < RAMP_SECONDS:
        return False
    low, middle, high = (float(_median(third)) for third in np.array_split(rise[:top], 3))
    growth = high - low
    is_even = min(middle - low, high - middle) >= EVEN * growth
    return is_even and growth >= MOST * float(np.max(rise))
