"""The recorder's clock against the venue's, from the least delay of every second: steps and drift. Pure.

The fastest frames of a second took about as long as those of any other, so what moves the lower envelope of
`local - exch` is the clocks: a slope is a drift, a lasting jump is a step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arb.data.check.streams import HOUR_NS, NO_DELAY, SECOND_NS

#: A step is a jump of the envelope by this much, over this many windows on either side.
STEP_NS_MIN = 50_000_000
STEP_WINDOWS = 5
#: Frames were late, and no clock was set, where the delay of before is there again within this many windows.
SPELL_WINDOWS_MAX = 120
#: Points that the drift is fitted to, at most; it takes every pair of them.
FIT_POINTS_MAX = 128
#: A drift from less than this is noise.
FIT_POINTS_MIN = 12
FIT_SPAN_S_MIN = 60


class Step(NamedTuple):
    """The clock was set at `local_ts`, by `by_ns` (negative: back)."""

    local_ts: int
    by_ns: int


class ClockLine(NamedTuple):
    """How `local - exch` moves over a recording. None: too short to tell."""

    drift_ppm: float | None
    steps: list[Step]


def clock_line(least_delays: NDArray[np.int64], day_start_ns: int) -> ClockLine:
    """Steps and drift from the least delays by second, the first an hour before the day."""
    seconds = np.flatnonzero(least_delays != NO_DELAY)
    delays = least_delays[seconds]
    jumps = [(n, _jump_ns(delays, n)) for n in _jump_indexes(delays) if _is_lasting(delays, n)]
    start_ts = day_start_ns - HOUR_NS
    steps = [Step(start_ts + int(seconds[n]) * SECOND_NS, by_ns) for n, by_ns in jumps]
    return ClockLine(_drift_ppm(seconds, delays, [n for n, _ in jumps]), steps)


def _jump_ns(delays: NDArray[np.int64], n: int) -> int:
    before, after = delays[n - STEP_WINDOWS : n], delays[n : n + STEP_WINDOWS]
    return int(np.median(after) - np.median(before))


def _is_lasting(delays: NDArray[np.int64], n: int) -> bool:
    """Whether the delay from window n on is another for good: else frames were late, as behind a backlog.

    A backlog begins or ends at once or bit by bit, so that the delays before and after decide, not the jumps back.
    A clock that is set leaves no frame faster than those before it: of a jump down, only one to delays that are less
    than those before the backlog may be a clock.
    """
    is_up = _jump_ns(delays, n) > 0
    if is_up:
        here, there = delays[n - STEP_WINDOWS : n], delays[n : n + SPELL_WINDOWS_MAX]
    else:
        here, there = delays[n : n + STEP_WINDOWS], delays[max(0, n - SPELL_WINDOWS_MAX) : n]
    levels = np.median(np.lib.stride_tricks.sliding_window_view(there, STEP_WINDOWS), axis=1)
    return bool(levels.min() > np.median(here) + STEP_NS_MIN)


def _jump_indexes(delays: NDArray[np.int64]) -> list[int]:
    """The first window behind each jump."""
    k = STEP_WINDOWS
    if len(delays) < 2 * k:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(delays, k)
    before, after = windows[: len(windows) - k], windows[k:]
    is_up = after.min(axis=1) - before.max(axis=1) > STEP_NS_MIN
    is_down = before.min(axis=1) - after.max(axis=1) > STEP_NS_MIN
    return [int(n) + k for n in np.flatnonzero(is_up | is_down)]


def _drift_ppm(seconds: NDArray[np.int64], delays: NDArray[np.int64], steps: list[int]) -> float | None:
    """The median slope over all pairs of points of the envelope with no step between them (Theil and Sen)."""
    if not len(seconds) or seconds[-1] - seconds[0] < FIT_SPAN_S_MIN:
        return None
    width = -(-(int(seconds[-1] - seconds[0]) + 1) // FIT_POINTS_MAX)
    starts = np.flatnonzero(np.diff((seconds - seconds[0]) // width, prepend=-1))
    ends = np.append(starts[1:], len(seconds))
    lowest = [start + int(np.argmin(delays[start:end])) for start, end in zip(starts, ends, strict=True)]
    if len(lowest) < FIT_POINTS_MIN:
        return None
    first, second = np.triu_indices(len(lowest), 1)
    x, y = seconds[lowest], delays[lowest]
    piece = np.searchsorted(steps, lowest, side="right")
    is_fit = piece[first] == piece[second]
    first, second = first[is_fit], second[is_fit]
    if len(first) < FIT_POINTS_MIN:
        return None
    slopes = (y[second] - y[first]) / (x[second] - x[first])
    return float(np.median(slopes)) / 1e3  # ns a second to parts in a million
