"""Checks recordings: each is read once, in pieces, and all counts are taken in that pass.

Memory does not grow with the length of a recording. A file that cannot be read to its end is a finding; the check
goes on with the next. Days that begin without a snapshot continue the book of the day before, as in a conversion.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from arb.data import outages
from arb.data.catalog.days import ALL_DAYS, Days, Recording
from arb.data.check import chain as chain_module
from arb.data.check import streams as fields
from arb.data.check.chain import Chain, ChainEnd
from arb.data.check.clock import clock_line, compared_steps
from arb.data.check.findings import judged
from arb.data.check.histogram import delay_quantiles, log_edges, log_quantile
from arb.data.check.repeats import FrameHashes
from arb.data.check.report import (
    BookReport,
    ClockReport,
    GridReport,
    Latency,
    LaterEnd,
    RecordingReport,
    Silences,
    Span,
    StepReport,
    StreamReport,
    WrongStampsReport,
)
from arb.data.check.streams import ALL, FLOWING, StreamCounts
from arb.data.outages import LONGEST_KEPT
from arb.data.rows.grid import DayGrid, coarser_notes, off_grid_text
from arb.data.rows.spool import meter_of, needs_carry
from arb.data.text import Progress, read_recording
from arb.errors import InputError
from connectors.book.grid import Measured, size_text
from connectors.errors import DecodeError
from connectors.feed.leads import LeadFinder
from connectors.model import Instrument, Kind, Venue
from connectors.parsing.lines import LineDecoder
from connectors.units import DAY, SECOND

#: No frame for longer than this is a hole, unless that is usual for the instrument.
HOLE_NS = 10_000_000_000
#: Usual: up to this many times the 90th percentile of the spacing of frames.
_USUAL_SPACINGS = 20
_USUAL_SHARE = 0.9

_STREAMS = (Kind.DELTA, Kind.SNAPSHOT, Kind.BBO, Kind.TRADE, Kind.AGG_TRADE, Kind.FUNDING)
_NAMES = {
    Kind.CONTROL: "control",
    Kind.OTHER: "other",
    Kind.DELTA: "depth",
    Kind.SNAPSHOT: "snapshot",
    Kind.BBO: "bbo",
    Kind.TRADE: "trade",
    Kind.AGG_TRADE: "agg_trade",
    Kind.FUNDING: "funding",
}
_QUANTILES = (0.01, 0.5, 0.95, 0.99)


class Source(NamedTuple):
    """A recording, the venue that decodes it, and its configured grid, if any."""

    venue: Venue
    recording: Recording
    instrument: Instrument | None = None
    #: See `arb.data.rows.convert.Feed`.
    grid_section: str = ""
    is_grid_stated: bool = False


def check_recordings(
    sources: Iterable[Source],
    *,
    hole_ns: int = HOLE_NS,
    progress: Progress | None = None,
    days: Days = ALL_DAYS,
) -> list[RecordingReport]:
    """A report on each recording of these days, in the given order, by instrument and day.

    Other recordings are read for the book that the next day continues.

    Latencies are on one clock: all local times are moved by the largest lead over the readable recordings, as in a
    run over all of them.
    """
    reports = []
    before: Recording | None = None
    end: ChainEnd | None = None
    for source in sources:
        recording = source.recording
        is_next = before is not None and _is_next(before, recording)
        report, end = _check(source, end if is_next else None, hole_ns, progress)
        if days.has(recording.day):
            reports.append(report)
        before = recording
    offset_ns = max([0, *(r.clock.lead_ns for r in reports if r.clock.lead_ns is not None and not r.error)])
    reports = compared_steps(reports)
    latest: dict[str, RecordingReport] = {}
    for report in sorted(reports, key=lambda report: report.local_ts_last):
        latest[report.day] = report
    return [judged(_moved(_beside(report, latest[report.day]), offset_ns)) for report in reports]


def _beside(report: RecordingReport, latest: RecordingReport) -> RecordingReport:
    """Adds the recording of the same day that ends last."""
    if report is latest:
        return report
    return msgspec.structs.replace(report, later=LaterEnd(latest.venue, latest.symbol, latest.local_ts_last))


def _is_next(before: Recording, recording: Recording) -> bool:
    """Whether a recording is of the same instrument on the next day."""
    is_same = (before.venue, before.symbol) == (recording.venue, recording.symbol)
    return is_same and recording.day - before.day == timedelta(days=1)


def _check(
    source: Source, before: ChainEnd | None, hole_ns: int, progress: Progress | None
) -> tuple[RecordingReport, ChainEnd | None]:
    """Checks one recording: its report, latencies not moved yet, and the state from which the next day continues."""
    venue, recording = source.venue, source.recording
    meter = meter_of(source.instrument)
    counts = StreamCounts(_day_start_ns(recording.day))
    hashes = FrameHashes()
    decoder = LineDecoder(venue, recording.symbol, file=str(recording.path))
    chain = Chain(venue.sequence_rule, None)
    leads = LeadFinder()
    error = ""
    try:
        if before is not None and needs_carry(venue, recording):
            chain = Chain(venue.sequence_rule, before)
        for rows, messages in decoder.decode(hashes.pass_on(read_recording(recording.path, progress))):
            counts.receive(rows, messages, hashes.take(len(messages)))
            chain.receive(rows, messages)
            meter.follow(rows)
            leads.receive(rows, counts.dated(messages))
    except (InputError, DecodeError) as fault:
        error = str(fault)
    counts.close()
    chain.close(int(counts.totals[ALL, fields.LAST_TS]))
    report = _report(recording, counts, chain, leads, hole_ns, error)
    report = msgspec.structs.replace(report, text_bytes=hashes.text_bytes, slow_frames=decoder.slow_frames)
    report = msgspec.structs.replace(report, grid=_grid(source, meter.measured))
    return report, None if error else chain.end()


def _day_start_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND


def _report(
    recording: Recording, counts: StreamCounts, chain: Chain, leads: LeadFinder, hole_ns: int, error: str
) -> RecordingReport:
    everything = counts.totals[ALL]
    first, last = int(everything[fields.FIRST_TS]), int(everything[fields.LAST_TS])
    span_ns = max(last - first, 0)
    holes = _silences(counts, ALL, hole_ns)
    covered_ns = max(span_ns - holes.total_ns, 0)
    frames = {name: int(counts.totals[kind, fields.FRAMES]) for kind, name in _NAMES.items()}
    return RecordingReport(
        venue=recording.venue,
        symbol=recording.symbol,
        day=str(recording.day),
        file=str(recording.path),
        verdict="",
        findings=[],
        file_bytes=_file_bytes(recording),
        text_bytes=0,
        lines=sum(frames.values()),
        rows=int(counts.totals[:ALL, fields.ROWS].sum()),
        slow_frames=0,
        frames=frames,
        local_ts_first=first,
        local_ts_last=last,
        span_ns=span_ns,
        covered_share=covered_ns / span_ns if span_ns else 0.0,
        day_share=covered_ns / DAY,
        holes=holes,
        venue_timed=int(everything[fields.TIMED]),
        out_of_order=int(everything[fields.FALLS]),
        out_of_order_ns_max=int(everything[fields.FALL_MAX]),
        streams={
            _NAMES[kind]: _stream(counts, kind, hole_ns)
            for kind in _STREAMS
            if counts.totals[kind, fields.FRAMES]
        },
        book=_book(counts, chain, first, span_ns),
        clock=_clock(counts, leads, span_ns),
        error=error,
    )


def _grid(source: Source, measured: Measured) -> GridReport:
    found = GridReport(
        tick_size=measured.tick_size,
        lot_size=measured.lot_size,
        off_prices=measured.off_prices,
        off_quantities=measured.off_quantities,
        vanishing=measured.vanishing,
    )
    instrument = source.instrument
    if instrument is None:
        return found
    days = [DayGrid(source.recording, measured)]
    return msgspec.structs.replace(
        found,
        tick_size_configured=size_text(instrument.tick_size),
        lot_size_configured=size_text(instrument.lot_size),
        fault=off_grid_text(instrument, measured, source.grid_section),
        notes=[] if source.is_grid_stated else coarser_notes(instrument, days),
    )


def _file_bytes(recording: Recording) -> int:
    try:
        return recording.path.stat().st_size
    except OSError:  # the report has the reason
        return 0


def _stream(counts: StreamCounts, kind: Kind, hole_ns: int) -> StreamReport:
    total = [int(value) for value in counts.totals[kind]]
    return StreamReport(
        frames=total[fields.FRAMES],
        rows=total[fields.ROWS],
        local_ts_first=total[fields.FIRST_TS],
        local_ts_last=total[fields.LAST_TS],
        duplicates=total[fields.REPEATS],
        doubtful=total[fields.DOUBTFUL],
        misdated=total[fields.MISDATED],
        outside_day=total[fields.OUTSIDE_DAY],
        venue_timed=total[fields.TIMED],
        out_of_order=total[fields.FALLS],
        out_of_order_ns_max=total[fields.FALL_MAX],
        latency=_latency(counts, kind) if total[fields.TIMED] else None,
        silences=_silences(counts, kind, hole_ns) if kind in FLOWING else None,
    )


def _latency(counts: StreamCounts, kind: Kind) -> Latency:
    anchor = int(counts.totals[ALL, fields.ANCHOR])
    low, high = int(counts.totals[kind, fields.DELAY_MIN]), int(counts.totals[kind, fields.DELAY_MAX])
    quantiles = delay_quantiles(counts.delays[kind], _QUANTILES)
    p1, p50, p95, p99 = (min(max(anchor + round(value), low), high) for value in quantiles)
    return Latency(low, p1, p50, p95, p99, high)


def _silences(counts: StreamCounts, kind: int, hole_ns: int) -> Silences:
    """Silences longer than `hole_ns` and longer than usual for this stream."""
    spacings = counts.spacing_counts[kind]
    limit_ns = max(hole_ns, round(_USUAL_SPACINGS * log_quantile(spacings, _USUAL_SHARE)))
    kept = [span for span in _spans(counts.silences[kind]) if span.length_ns > limit_ns]
    count, total_ns = len(kept), sum(span.length_ns for span in kept)
    if count == LONGEST_KEPT:  # there may be more than are kept: count them from the bins
        is_longer = log_edges(np.arange(len(spacings)))[0] >= limit_ns
        count = int(spacings[is_longer].sum())
        total_ns = int(counts.spacing_sums[kind][is_longer].sum())
    return Silences(limit_ns, count, total_ns, kept)


def _spans(table: NDArray[np.int64]) -> list[Span]:
    """The spans of a table that are in use, the longest first."""
    return [Span(*span) for span in outages.kept_spans(table)]


def _book(counts: StreamCounts, chain: Chain, first_ts: int, span_ns: int) -> BookReport:
    state = [int(value) for value in chain.state]
    unknown_ns, known_ts = chain.unknown.unknown_ns, chain.unknown.outages.known_ts
    bbo = counts.totals[Kind.BBO]
    return BookReport(
        is_carried=chain.is_carried,
        gaps=chain.gap_count,
        unknown_ns=unknown_ns,
        unknown_share=min(unknown_ns / span_ns, 1.0) if span_ns else 0.0,
        before_snapshot_ns=max(known_ts - first_ts, 0) if known_ts else span_ns,
        is_ever_known=known_ts != 0,
        unknown_longest=_spans(chain.unknown.longest),
        crossed=state[chain_module.CROSSED],
        locked=state[chain_module.LOCKED],
        crossed_longest=_spans(chain.crossed),
        bbo_crossed=int(bbo[fields.CROSSED]),
        bbo_locked=int(bbo[fields.LOCKED]),
        other_depths=chain.other_count,
    )


def _clock(counts: StreamCounts, leads: LeadFinder, span_ns: int) -> ClockReport:
    everything = counts.totals[ALL]
    line = clock_line(counts.least_delays, counts.day_start_ns, counts.jumps)
    ppm = line.drift_ppm
    return ClockReport(
        lead_ns=leads.lead_ns if everything[fields.TIMED] else None,
        offset_ns=0,
        drift_ppm=None if ppm is None else round(ppm, 3),
        drift_ns=None if ppm is None else round(ppm * span_ns / 1e6),
        steps=[StepReport(*step) for step in line.steps],
        steps_back=int(everything[fields.STEPS_BACK]),
        steps_back_longest=_spans(counts.steps_back),
        wrong_stamps=[WrongStampsReport(wrong.stream, *wrong[1:]) for wrong in leads.wrong],
    )


def _moved(report: RecordingReport, offset_ns: int) -> RecordingReport:
    """The report with its latencies moved by the offset."""
    streams = {
        name: stream
        if stream.latency is None
        else msgspec.structs.replace(
            stream, latency=Latency(*(value + offset_ns for value in msgspec.structs.astuple(stream.latency)))
        )
        for name, stream in report.streams.items()
    }
    clock = msgspec.structs.replace(report.clock, offset_ns=offset_ns)
    return msgspec.structs.replace(report, streams=streams, clock=clock)
