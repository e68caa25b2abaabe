"""Counts over the messages of a recording, per stream and in total: order, spacing, delay, repeats. One thread.

A stream is a kind of message. All data has a fixed size: totals, histograms, the longest few silences, the least
delay of every second of the day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arb.data.check.histogram import DELAY_BINS, LOG_BINS, delay_bin, log_bin
from arb.data.check.repeats import SLOTS
from arb.data.outages import LONGEST_KEPT, keep_longest
from connectors.feed.clock_offset import AGREE_NS
from connectors.jit.compilation import compiled
from connectors.model import Kind, Messages, Rows
from connectors.units import DAY, SECOND

#: Row of the totals over all market data; the rows before it are those of `Kind`.
ALL = len(Kind)
#: Streams that are expected to be continuous. Snapshots arrive only on request.
FLOWING = (Kind.DELTA, Kind.BBO, Kind.TRADE, Kind.AGG_TRADE)
HOUR_NS = 3_600 * SECOND
#: Venue times farther than this from the local one, and local times this far outside the day, are impossible.
DOUBTFUL_NS = HOUR_NS
#: Seconds of the day and of the hours before and after it.
WINDOWS = (DAY + 2 * HOUR_NS) // SECOND
#: A window without a frame.
NO_DELAY = np.iinfo(np.int64).max

# Fields of the totals.
(
    FRAMES, ROWS, FIRST_TS, LAST_TS, NEWEST_EXCH_TS, TIMED, FALLS, FALL_MAX, REPEATS, DOUBTFUL, MISDATED, OUTSIDE_DAY,
    DELAY_MIN, DELAY_MAX, OTHERS_AT_FIRST, OTHERS_AT_LAST, STEPS_BACK, CROSSED, LOCKED, ANCHOR,
    # Local and venue time of the last frame that has both.
    TIMED_TS, TIMED_EXCH_TS,
    # The largest accepted lead. While the lead is larger by AGREE_NS: the newest venue time, the count of falls and
    # their largest at its begin, restored if a later frame shows that the stamps were wrong; 0: not the case.
    LEAD_TOP, AHEAD_NEWEST, AHEAD_FALLS, AHEAD_FALL_MAX,
) = range(26)  # fmt: skip
FIELDS = 26


class StreamCounts:
    """The counts of one recording."""

    def __init__(self, day_start_ns: int) -> None:
        self.day_start_ns = day_start_ns
        self.totals = np.zeros((ALL + 1, FIELDS), np.int64)
        self.totals[:, DELAY_MIN] = NO_DELAY
        self.totals[:, DELAY_MAX] = -NO_DELAY
        self.delays = np.zeros((ALL, DELAY_BINS), np.int64)
        self.spacing_counts = np.zeros((ALL + 1, LOG_BINS), np.int64)
        self.spacing_sums = np.zeros((ALL + 1, LOG_BINS), np.int64)
        self.silences = np.zeros((ALL + 1, LONGEST_KEPT, 3), np.int64)
        self.steps_back = np.zeros((LONGEST_KEPT, 3), np.int64)
        #: Least `local - exch` of every second, starting an hour before the day.
        self.least_delays = np.full(WINDOWS, NO_DELAY, np.int64)
        #: For every second, the two consecutive frames between which `local - exch` changed most: the advance of
        #: local time between them, and that of venue time.
        self.jumps = np.zeros((WINDOWS, 2), np.int64)
        self._seen = np.zeros(SLOTS, np.uint64)

    def receive(self, rows: Rows, messages: Messages, hashes: NDArray[np.uint64]) -> None:
        """Counts messages in the order of receipt; one frame hash per message."""
        _count(
            rows,
            messages,
            hashes,
            self.day_start_ns,
            self._seen,
            self.totals,
            self.delays,
            self.spacing_counts,
            self.spacing_sums,
            self.silences,
            self.steps_back,
            self.least_delays,
            self.jumps,
        )

    def dated(self, messages: Messages) -> Messages:
        """The messages that were received near enough to the day to be counted."""
        windows = (messages["local_ts"] - (self.day_start_ns - HOUR_NS)) // SECOND
        is_dated = (windows >= 0) & (windows < WINDOWS)
        return messages if is_dated.all() else messages[is_dated]

    def close(self) -> None:
        """Counts open leads that were not refuted, and silences before a first and after a last frame. Call once."""
        is_ahead = self.totals[:, AHEAD_NEWEST] > 0
        self.totals[:, FALLS] += np.where(is_ahead, self.totals[:, AHEAD_FALLS], 0)
        np.maximum(
            self.totals[:, FALL_MAX],
            self.totals[:, AHEAD_FALL_MAX],
            out=self.totals[:, FALL_MAX],
            where=is_ahead,
        )
        first, last, frames = (int(self.totals[ALL, field]) for field in (FIRST_TS, LAST_TS, FRAMES))
        own_frames = self.totals[:, FRAMES] - self.totals[:, MISDATED]
        for kind in FLOWING:
            total = self.totals[kind]
            if own_frames[kind]:
                self._silence(kind, first, int(total[FIRST_TS]), int(total[OTHERS_AT_FIRST]))
                others = frames - int(own_frames[kind]) - int(total[OTHERS_AT_LAST])
                self._silence(kind, int(total[LAST_TS]), last, others)

    def _silence(self, kind: int, start: int, end: int, others: int) -> None:
        _space(self.spacing_counts[kind], self.spacing_sums[kind], self.silences[kind], start, end, others)


@compiled
def _space(counts, sums, silences, start, end, others):
    """Counts the time between two frames."""
    spacing = end - start
    if spacing < 0:
        return
    b = log_bin(spacing)
    counts[b] += 1
    sums[b] += spacing
    if spacing > SECOND:  # the table is for holes, which are longer
        keep_longest(silences, start, end, others)


@compiled
def _count(
    rows,
    messages,
    hashes,
    day_start,
    seen,
    totals,
    delays,
    counts,
    sums,
    silences,
    steps_back,
    least_delays,
    jumps,
):
    for m in range(len(messages)):
        message = messages[m]
        kind = message.kind
        totals[kind, FRAMES] += 1
        totals[kind, ROWS] += message.row_end - message.row_start
        if kind < Kind.DELTA:
            continue
        _count_repeat(hashes[m], seen, totals[kind])
        local_ts = message.local_ts
        window = (local_ts - day_start + HOUR_NS) // SECOND
        if window < 0 or window >= WINDOWS:
            totals[kind, MISDATED] += 1
            continue
        if local_ts < day_start or local_ts >= day_start + DAY:
            totals[kind, OUTSIDE_DAY] += 1
        _count_spacing(kind, local_ts, totals, counts, sums, silences, steps_back)
        if kind == Kind.BBO:
            _count_crossed(rows, message, totals[kind])
        # Funding data is stamped by other servers, in part in whole seconds: it says nothing of order and clocks.
        if message.exch_ts > 0 and kind != Kind.FUNDING:
            delay = local_ts - message.exch_ts
            if abs(delay) > DOUBTFUL_NS:
                totals[kind, DOUBTFUL] += 1
                continue
            if totals[ALL, TIMED] == 0:
                totals[ALL, ANCHOR] = delay
            delays[kind, delay_bin(delay - totals[ALL, ANCHOR])] += 1
            least_delays[window] = min(least_delays[window], delay)
            _note_jump(local_ts, message.exch_ts, totals[ALL], jumps[window])
            _count_time(message.exch_ts, delay, totals[kind])
            _count_time(message.exch_ts, delay, totals[ALL])


@compiled
def _count_repeat(frame_hash, seen, total):
    slot = np.int64(frame_hash & np.uint64(SLOTS - 1))
    if seen[slot] == frame_hash:
        total[REPEATS] += 1
    seen[slot] = frame_hash


@compiled
def _count_spacing(kind, local_ts, totals, counts, sums, silences, steps_back):
    total, everything = totals[kind], totals[ALL]
    if everything[FRAMES] == 0:
        everything[FIRST_TS] = local_ts
    else:
        if local_ts < everything[LAST_TS]:
            everything[STEPS_BACK] += 1
            keep_longest(steps_back, local_ts, everything[LAST_TS], 0)
        _space(counts[ALL], sums[ALL], silences[ALL], everything[LAST_TS], local_ts, 0)
    others = everything[FRAMES] - total[FRAMES] + total[MISDATED] + 1
    if total[FIRST_TS] == 0:
        total[FIRST_TS] = local_ts
        total[OTHERS_AT_FIRST] = others
    else:
        silent_others = others - total[OTHERS_AT_LAST]
        _space(counts[kind], sums[kind], silences[kind], total[LAST_TS], local_ts, silent_others)
    total[OTHERS_AT_LAST] = others
    total[LAST_TS] = local_ts
    everything[LAST_TS] = local_ts
    everything[FRAMES] += 1


@compiled
def _note_jump(local_ts, exch_ts, total, jump):
    """Keeps the largest change of `local - exch` from one frame to the next."""
    if total[TIMED_TS]:
        local_ns, exch_ns = local_ts - total[TIMED_TS], exch_ts - total[TIMED_EXCH_TS]
        if abs(local_ns - exch_ns) > abs(jump[0] - jump[1]):
            jump[0], jump[1] = local_ns, exch_ns
    total[TIMED_TS], total[TIMED_EXCH_TS] = local_ts, exch_ts


@compiled
def _count_time(exch_ts, delay, total):
    """Order and extremes of a frame with a venue time.

    A lead that jumps up is a clock that was set or a wrong stamp. It was a wrong stamp if a later frame has the
    earlier lead and an earlier venue time. Frames that are only older than wrong stamps are not counted as disorder.
    """
    total[TIMED] += 1
    if total[TIMED] == 1:
        total[LEAD_TOP] = -delay
    is_ahead = -delay > total[LEAD_TOP] + AGREE_NS
    if is_ahead and total[AHEAD_NEWEST] == 0:
        total[AHEAD_NEWEST] = max(total[NEWEST_EXCH_TS], exch_ts)
        total[AHEAD_FALLS] = total[AHEAD_FALL_MAX] = 0
    elif not is_ahead:
        if total[AHEAD_NEWEST] > exch_ts:  # the stamps were wrong
            total[AHEAD_NEWEST] = 0
        elif total[AHEAD_NEWEST]:  # the stamps were right
            total[NEWEST_EXCH_TS] = total[AHEAD_NEWEST]
            total[FALLS] += total[AHEAD_FALLS]
            total[FALL_MAX] = max(total[FALL_MAX], total[AHEAD_FALL_MAX])
            total[AHEAD_NEWEST] = 0
        total[LEAD_TOP] = max(total[LEAD_TOP], -delay)
    if is_ahead:
        _count_order(exch_ts, total, AHEAD_NEWEST, AHEAD_FALLS, AHEAD_FALL_MAX)
    else:
        _count_order(exch_ts, total, NEWEST_EXCH_TS, FALLS, FALL_MAX)
    total[DELAY_MIN] = min(total[DELAY_MIN], delay)
    total[DELAY_MAX] = max(total[DELAY_MAX], delay)


@compiled
def _count_order(exch_ts, total, newest, falls, fall_max):
    """Counts a frame that is older than the newest one; the last three arguments are fields of `total`."""
    if exch_ts < total[newest]:
        total[falls] += 1
        total[fall_max] = max(total[fall_max], total[newest] - exch_ts)
    else:
        total[newest] = exch_ts


@compiled
def _count_crossed(rows, message, total):
    """Counts a best bid and offer that are crossed or locked. Equal texts are equal floats, so `==` is exact here."""
    if message.row_end - message.row_start == 2:
        bid, ask = rows[message.row_start].px, rows[message.row_start + 1].px
        if bid > ask:
            total[CROSSED] += 1
        elif bid == ask:
            total[LOCKED] += 1
