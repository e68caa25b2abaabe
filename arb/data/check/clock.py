"""Measures steps and drift of the recorder's clock against the venue's, from the least delay of every second. Pure.

The fastest frames of each second take about equally long, so only the clocks move the lower envelope of `local -
exch`: a slope is a drift, a lasting jump is a step. The two frames around the jump show whose clock was set: one
clock advanced as usual, the other jumped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from arb.data.check.report import RecordingReport, StepReport
from arb.data.check.streams import HOUR_NS, NO_DELAY
from connectors.units import SECOND

#: Whose clock was set.
RECORDER, VENUE = "recorder", "venue"
#: A step is a jump of the envelope by this much, over this many windows on either side.
STEP_NS_MIN = 50_000_000
STEP_WINDOWS = 5
#: Steps of two recordings closer than this are the same one.
_NEAR_NS = 10_000_000_000
#: If the earlier delay returns within this many windows, frames were late and no clock was set.
SLOW_WINDOWS_MAX = 120
#: Points that the drift is fitted to, at most; it takes every pair of them.
FIT_POINTS_MAX = 128
#: A drift from less than this is noise.
FIT_POINTS_MIN = 12
FIT_SPAN_S_MIN = 60


class Step(NamedTuple):
    """A clock was set at `local_ts`, by `by_ns` (negative: back).

    clock: RECORDER or VENUE; "" if the step is too small to decide.
    """

    local_ts: int
    by_ns: int
    clock: str


class ClockLine(NamedTuple):
    """Steps and drift of `local - exch` over a recording. None: too short to measure."""

    drift_ppm: float | None
    steps: list[Step]


def clock_line(
    least_delays: NDArray[np.int64], day_start_ns: int, jumps: NDArray[np.int64] | None = None
) -> ClockLine:
    """Steps and drift from the least delays by second, the first an hour before the day.

    jumps: (seconds, 2), advance of local and venue time where their difference changed most (`StreamCounts`).
    """
    seconds = np.flatnonzero(least_delays != NO_DELAY)
    delays = least_delays[seconds]
    lasting = [(n, _jump_ns(delays, n)) for n in _jump_indexes(delays) if _is_lasting(delays, n)]
    start_ts = day_start_ns - HOUR_NS
    steps = [_step(start_ts, int(seconds[n]), lag_ns, jumps) for n, lag_ns in lasting]
    return ClockLine(_drift_ppm(seconds, delays, [n for n, _ in lasting]), steps)


def _step(start_ts: int, second: int, lag_ns: int, jumps: NDArray[np.int64] | None) -> Step:
    """The step of `lag_ns` in `local - exch` at a second."""
    local_ts = start_ts + second * SECOND
    if jumps is None:
        return Step(local_ts, lag_ns, "")
    # If local time was set, the local times of the frames before and after differ by the step.
    reach = abs(lag_ns) // SECOND + 2
    near = jumps[max(0, second - reach) : second + reach + 1]
    local_ns, exch_ns = (int(ns) for ns in near[np.argmin(np.abs(near[:, 0] - near[:, 1] - lag_ns))])
    # A step no larger than the normal advance between two frames cannot be distinguished from it.
    usual_ns = min(abs(local_ns), abs(exch_ns))
    if abs(local_ns - exch_ns - lag_ns) > STEP_NS_MIN + usual_ns or abs(lag_ns) < 2 * usual_ns + STEP_NS_MIN:
        return Step(local_ts, lag_ns, "")
    if abs(local_ns) > abs(exch_ns):
        return Step(local_ts, lag_ns, RECORDER)
    return Step(local_ts, -lag_ns, VENUE)


def compared_steps(reports: Sequence[RecordingReport]) -> list[RecordingReport]:
    """Resolves steps that may be of either clock by recordings of other venues at the same time.

    A recorder has one clock: a step that no other recording shows is the venue's.
    """
    return [
        msgspec.structs.replace(
            report,
            clock=msgspec.structs.replace(
                report.clock, steps=[_compared(step, report, reports) for step in report.clock.steps]
            ),
        )
        for report in reports
    ]


def _compared(step: StepReport, report: RecordingReport, reports: Sequence[RecordingReport]) -> StepReport:
    others = [
        other
        for other in reports
        if other.venue != report.venue
        and other.local_ts_first + _NEAR_NS < step.local_ts < other.local_ts_last - _NEAR_NS
    ]
    if step.clock or not others:
        return step
    shown = [
        one for other in others for one in other.clock.steps if abs(one.local_ts - step.local_ts) <= _NEAR_NS
    ]
    if any(one.clock != VENUE and abs(one.by_ns - step.by_ns) <= STEP_NS_MIN for one in shown):
        return msgspec.structs.replace(step, clock=RECORDER)
    return StepReport(step.local_ts, -step.by_ns, VENUE)


def _jump_ns(delays: NDArray[np.int64], n: int) -> int:
    before, after = delays[n - STEP_WINDOWS : n], delays[n : n + STEP_WINDOWS]
    return int(np.median(after) - np.median(before))


def _is_lasting(delays: NDArray[np.int64], n: int) -> bool:
    """Whether the delay changes for good at window n; otherwise frames were late, as after a backlog.

    A backlog begins or ends suddenly or gradually, so the delays before and after decide, not the jumps back. A jump
    down counts as a clock step only if it reaches delays below those before the backlog.
    """
    is_up = _jump_ns(delays, n) > 0
    if is_up:
        here, there = delays[n - STEP_WINDOWS : n], delays[n : n + SLOW_WINDOWS_MAX]
    else:
        here, there = delays[n : n + STEP_WINDOWS], delays[max(0, n - SLOW_WINDOWS_MAX) : n]
    levels = np.median(np.lib.stride_tricks.sliding_window_view(there, STEP_WINDOWS), axis=1)
    return bool(levels.min() > np.median(here) + STEP_NS_MIN)


def _jump_indexes(delays: NDArray[np.int64]) -> list[int]:
    """The first window after each jump."""
    k = STEP_WINDOWS
    if len(delays) < 2 * k:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(delays, k)
    before, after = windows[: len(windows) - k], windows[k:]
    is_up = after.min(axis=1) - before.max(axis=1) > STEP_NS_MIN
    is_down = before.min(axis=1) - after.max(axis=1) > STEP_NS_MIN
    return [int(n) + k for n in np.flatnonzero(is_up | is_down)]


def _drift_ppm(seconds: NDArray[np.int64], delays: NDArray[np.int64], steps: list[int]) -> float | None:
    """The median slope over all pairs of envelope points without a step between them (Theil-Sen)."""
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
