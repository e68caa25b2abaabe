"""The findings and the verdict on a recording. All limits are defined here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from arb.data.check.report import BROKEN, OK, WARNINGS, Finding, RecordingReport, Silences, Span
from arb.data.check.streams import DOUBTFUL_NS

#: A first snapshot later than this; Binance's is fetched within a few seconds.
LATE_SNAPSHOT_NS = 10_000_000_000
#: The recorder's clock is behind, or ahead of the fastest frame, by more than this.
BEHIND_NS_MAX = 100_000_000
AHEAD_NS_MAX = 500_000_000
#: A drift over the recording too large for one offset of the run.
DRIFT_NS_MAX = 20_000_000
#: A frame older than one before it by more than this.
FALL_NS_MAX = 1_000_000_000
#: The code of values that are not on the configured grid.
OFF_GRID = "off-grid"


def judged(report: RecordingReport) -> RecordingReport:
    """Adds the findings, the worst first, and the verdict to a report."""
    broken = [Finding("broken", code, text) for code, text in _broken(report)]
    warnings = [Finding("warning", code, text) for code, text in _warnings(report)]
    verdict = BROKEN if broken else (WARNINGS if warnings else OK)
    return msgspec.structs.replace(report, findings=broken + warnings, verdict=verdict)


def _broken(report: RecordingReport) -> Iterator[tuple[str, str]]:
    if report.error:
        yield "unreadable", report.error
    streams = report.streams.values()
    hours = DOUBTFUL_NS // 3_600_000_000_000
    if doubtful := sum(stream.doubtful for stream in streams):
        yield (
            "doubtful-time",
            f"{doubtful:,} frames have a venue time more than {hours} h from their local time",
        )
    if misdated := sum(stream.misdated for stream in streams):
        yield "misdated", f"{misdated:,} frames were received more than {hours} h outside of {report.day}"
    if report.grid.fault:
        yield OFF_GRID, report.grid.fault


def _warnings(report: RecordingReport) -> Iterator[tuple[str, str]]:
    streams = report.streams.values()
    if not any(stream.frames for stream in streams):
        yield "empty", "no market data"
        return
    if outside := sum(stream.outside_day for stream in streams):
        yield "outside-day", f"{outside:,} frames were received outside of {report.day}"
    yield from _coverage(report)
    yield from _book(report)
    yield from _clock(report)
    if report.out_of_order_ns_max > FALL_NS_MAX:
        yield "order", f"frames arrive up to {seconds(report.out_of_order_ns_max)} later than newer ones"
    for note in report.grid.notes:
        yield "coarse-grid", note
    if repeated := sum(stream.duplicates for stream in streams):
        yield "repeated", f"{repeated:,} frames were recorded twice"


def _coverage(report: RecordingReport) -> Iterator[tuple[str, str]]:
    if report.holes.count:
        yield "hole", f"nothing was received {_times(report.holes)}"
    later = report.later
    if later is not None and later.local_ts_last - report.local_ts_last > report.holes.limit_ns:
        yield (
            "ends-early",
            f"the last frame was received at {time_of(report.local_ts_last)}, "
            f"{seconds(later.local_ts_last - report.local_ts_last)} before that of {later.venue}:{later.symbol}: a run "
            "over both has no book of this one from execution.stale_after_ms behind it",
        )
    for name, stream in report.streams.items():
        if stream.silences is None:
            continue
        spans = [span for span in stream.silences.longest if span.other_frames > 0]
        if spans:
            longest = spans[0]
            yield (
                "silence",
                f"{name} was silent for {_span(longest)}, while {longest.other_frames:,} other frames arrived"
                + (f" (and {len(spans) - 1} more times)" if len(spans) > 1 else ""),
            )


def _book(report: RecordingReport) -> Iterator[tuple[str, str]]:
    book = report.book
    after_gaps_ns = book.unknown_ns - (book.before_snapshot_ns if book.is_ever_known else 0)
    if book.gaps:
        longest = f", the longest time {_span(book.unknown_longest[0])}" if book.unknown_longest else ""
        yield (
            "gap",
            f"{_count(book.gaps, 'gap')} in the book's ids; it was unknown for {seconds(after_gaps_ns)} "
            f"({after_gaps_ns / max(report.span_ns, 1):.2%}){longest}",
        )
    if not book.is_ever_known:
        yield (
            "no-snapshot",
            "the book is unknown all the time: no snapshot, and no day before to carry on from",
        )
    elif book.before_snapshot_ns > LATE_SNAPSHOT_NS:
        yield "late-snapshot", f"the book is unknown for the first {seconds(book.before_snapshot_ns)}"
    if book.crossed or book.locked:
        longest = f"; longest {_span(book.crossed_longest[0])}" if book.crossed_longest else ""
        yield "crossed", f"the book was crossed {book.crossed:,} and locked {book.locked:,} times{longest}"
    if book.other_depths:
        yield (
            "other-depth",
            f"{_count(book.other_depths, 'message')} of another depth than the one whose snapshot was first: left out",
        )
    if book.bbo_crossed or book.bbo_locked:
        yield (
            "crossed-bbo",
            f"{book.bbo_crossed:,} best bids and offers are crossed, {book.bbo_locked:,} are locked",
        )


def _clock(report: RecordingReport) -> Iterator[tuple[str, str]]:
    clock = report.clock
    if clock.lead_ns is not None and clock.lead_ns > BEHIND_NS_MAX:
        yield "clock-behind", f"the recorder's clock is {seconds(clock.lead_ns)} behind the venue's, or more"
    if clock.lead_ns is not None and clock.lead_ns < -AHEAD_NS_MAX:
        yield (
            "clock-ahead",
            f"the fastest frame took {seconds(-clock.lead_ns)}: the recorder's clock is ahead, or its line slow",
        )
    for wrong in clock.wrong_stamps:
        if wrong.lead_ns_max > DOUBTFUL_NS:  # `doubtful-time` reports it and makes the recording broken
            continue
        messages = _count(wrong.messages, f"{wrong.stream} message") + (
            " is" if wrong.messages == 1 else " are"
        )
        yield (
            "wrong-stamp",
            f"{messages} stamped up to {seconds(wrong.lead_ns_max)} ahead of the local time, first at "
            f"{time_of(wrong.local_ts_first)}: left out of the clock offset",
        )
    if clock.drift_ppm is not None and abs(clock.drift_ns or 0) > DRIFT_NS_MAX:
        yield (
            "drift",
            f"the recorder's clock drifts by {clock.drift_ppm:+.1f} ppm, {seconds(clock.drift_ns or 0)} over the "
            "recording: one offset for all of it is wrong by as much",
        )
    for step in clock.steps[:3]:
        whose = {
            "recorder": "the recorder's clock",
            "venue": f"the clock of {report.venue}",
            "": f"the recorder's clock or that of {report.venue}",
        }[step.clock]
        size = seconds(step.by_ns if step.clock else abs(step.by_ns))
        yield "step", f"{whose} was set by {size} at {time_of(step.local_ts)}"
    if clock.steps_back:
        yield (
            "step-back",
            f"local time falls {_count(clock.steps_back, 'time')}, by up to "
            f"{seconds(clock.steps_back_longest[0].length_ns)} at {time_of(clock.steps_back_longest[0].start_ts)}",
        )


def time_of(local_ts: int) -> str:
    """A time of the day in UTC, to the millisecond."""
    whole, rest = divmod(local_ts, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%H:%M:%S}.{rest // 1_000_000:03d}"


def seconds(span_ns: int) -> str:
    """A span in the unit that fits it."""
    size = abs(span_ns)
    if size < 1_000_000_000:
        return f"{span_ns / 1e6:.3g} ms"
    return f"{span_ns / 1e9:,.2f} s"


def _span(span: Span) -> str:
    return f"{seconds(span.length_ns)} from {time_of(span.start_ts)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _times(silences: Silences) -> str:
    more = (
        f", and {_count(silences.count - 1, 'more time')} (in sum {seconds(silences.total_ns)})"
        if silences.count > 1
        else ""
    )
    return f"for {_span(silences.longest[0])}{more}"
