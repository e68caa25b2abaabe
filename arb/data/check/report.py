"""The report on one recording, as printed and as JSON. Times and spans are int64 ns; shares 0 to 1."""

from __future__ import annotations

import msgspec

BROKEN, WARNINGS, OK = "broken", "warnings", "ok"


class Finding(msgspec.Struct, frozen=True):
    """A finding: `level` is "broken" or "warning", `code` one word for scripts."""

    level: str
    code: str
    text: str


class Span(msgspec.Struct, frozen=True):
    """A span of local time in which `other_frames` of the recording arrived."""

    start_ts: int
    end_ts: int
    other_frames: int = 0

    @property
    def length_ns(self) -> int:
        return self.end_ts - self.start_ts


class Silences(msgspec.Struct, frozen=True):
    """Times without a frame for longer than `limit_ns`: number, total time, and the longest."""

    limit_ns: int
    count: int
    total_ns: int
    longest: list[Span]


class Latency(msgspec.Struct, frozen=True):
    """`local_ts` plus offset, minus `exch_ts`. The error is at most 1 % or 5 us; the extremes are exact."""

    ns_min: int
    ns_p1: int
    ns_p50: int
    ns_p95: int
    ns_p99: int
    ns_max: int


class StreamReport(msgspec.Struct, frozen=True):
    """One kind of frame. `out_of_order` are frames with an older venue time than one before them in the stream."""

    frames: int
    rows: int
    local_ts_first: int
    local_ts_last: int
    duplicates: int
    doubtful: int
    misdated: int
    outside_day: int
    venue_timed: int
    out_of_order: int
    out_of_order_ns_max: int
    latency: Latency | None
    silences: Silences | None


class BookReport(msgspec.Struct, frozen=True):
    """The book, as proven by its ids. Crossed and locked books are counted per moment, after complete messages."""

    is_carried: bool
    gaps: int
    #: Total time with an unknown book, including that before the first snapshot; and its share of the span.
    unknown_ns: int
    unknown_share: float
    before_snapshot_ns: int
    is_ever_known: bool
    unknown_longest: list[Span]
    crossed: int
    locked: int
    crossed_longest: list[Span]
    bbo_crossed: int
    bbo_locked: int
    #: Messages of another depth than the one followed; they are ignored.
    other_depths: int = 0


class StepReport(msgspec.Struct, frozen=True):
    """A clock was set by `by_ns`: "recorder" or "venue"; "" if unknown: then `by_ns` is as for the recorder's."""

    local_ts: int
    by_ns: int
    clock: str = ""


class WrongStampsReport(msgspec.Struct, frozen=True):
    """Ignored venue times of a stream: they lead by more than all others, and later ones refute them."""

    stream: str
    messages: int
    lead_ns_max: int
    local_ts_first: int


class ClockReport(msgspec.Struct, frozen=True):
    """The recorder's clock against the venue's. None: no frame with a venue time, or too short to measure."""

    #: The largest accepted venue time minus local time: positive if the recorder's clock is behind.
    lead_ns: int | None
    #: Added to the latencies: the largest lead over all recordings of the check.
    offset_ns: int
    #: Slope of `local - exch`: negative if the recorder's clock is slow; and the change over the span.
    drift_ppm: float | None
    drift_ns: int | None
    steps: list[StepReport]
    #: How often a local time is before the previous one, and the largest difference.
    steps_back: int
    steps_back_longest: list[Span]
    wrong_stamps: list[WrongStampsReport]


class GridReport(msgspec.Struct, frozen=True):
    """The steps of prices and quantities, as decimal texts: configured ("": not) and measured ("": no value)."""

    tick_size_configured: str = ""
    tick_size: str = ""
    lot_size_configured: str = ""
    lot_size: str = ""
    #: Values off the configured steps, and quantities of less than half a lot.
    off_prices: int = 0
    off_quantities: int = 0
    vanishing: int = 0
    #: Text on what contradicts the configured grid, and where to write the measured one; "" if nothing does.
    fault: str = ""
    #: A line for each step that looks larger than configured.
    notes: list[str] = msgspec.field(default_factory=list)


class LaterEnd(msgspec.Struct, frozen=True):
    """The recording of the same day whose last frame was received last."""

    venue: str
    symbol: str
    local_ts_last: int


class RecordingReport(msgspec.Struct, frozen=True):
    """The report on one recording; for a broken one, up to the piece that could not be read."""

    venue: str
    symbol: str
    day: str
    file: str
    verdict: str
    findings: list[Finding]
    file_bytes: int
    text_bytes: int
    lines: int
    rows: int
    #: Frames that needed the JSON decoder.
    slow_frames: int
    frames: dict[str, int]
    local_ts_first: int
    local_ts_last: int
    span_ns: int
    #: Share of the span, and of the UTC day, that is not in a hole.
    covered_share: float
    day_share: float
    holes: Silences
    #: All streams together, in the order of receipt.
    venue_timed: int
    out_of_order: int
    out_of_order_ns_max: int
    streams: dict[str, StreamReport]
    book: BookReport
    clock: ClockReport
    grid: GridReport = GridReport()
    #: The recording of this day that ends last; None: this one.
    later: LaterEnd | None = None
    #: The reason why it could not be read to its end.
    error: str = ""

    @property
    def name(self) -> str:
        """`venue/file name`, which is unique in a folder of recordings."""
        return "/".join(self.file.replace("\\", "/").rsplit("/", 2)[-2:])
