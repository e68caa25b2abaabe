"""The venues' side of live rows: passes them to the simulated exchanges in the order of the venue's time, once certain.

Streams of one venue overtake each other: a row may arrive after rows with a later venue time. So a leg's rows are held
until the watermark has passed them: the latest venue time seen, less the allowed disorder, or the current time less the
longest delay, for a market without events. A row that arrives behind the watermark takes effect right after it; a
replay needs the watermark of such rows (`VenueSide.on_late`).

The exchanges' horizon is the smallest watermark of all legs, so that an order meets the book of its arrival time even
if rows of that time arrive after the response was due. Such a response is delayed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hftbacktest.types import EXCH_EVENT, event_dtype
from numba import carray

from arb.bot.memory import as_pointer, record_view
from arb.engine.blocks import Blocks
from arb.engine.port import UNKNOWN, MessageSteps, port_at
from arb.engine.row_stream import Stream, restart, stream_at
from arb.engine.world import NEVER
from arb.simulation.bot import SimulatedExchanges
from connectors.book.rows import LOCAL_ONLY
from connectors.jit.compilation import compiled
from connectors.model import Rows

_EXCH_FLAG = np.uint64(EXCH_EVENT)
#: Before any venue time; far enough from the end of the range to subtract from it.
_NO_TIME = -(1 << 62)
_ROWS_MIN = 1024

#: One leg's rows, by venue time: `rows[: released]` are the exchange's, and those up to `count` wait. The first two
#: fields are the piece of its stream.
VENUE_ORDER = np.dtype(
    [
        (name, "i8")
        for name in (
            "rows",
            "released",
            "count",
            "capacity",
            "latest",
            "watermark",
            "disorder_ns",
            "silence_ns",
            "stream",
        )
    ]
)
#: The venues' side of all legs: see `VenueSide`. orders, port: addresses.
SIDE = np.dtype([(name, "i8") for name in ("orders", "legs", "port", "now_ns", "settled_ts")])
_SETTLED = (SIDE.names or ()).index("settled_ts")

order_at = record_view(VENUE_ORDER)
side_at = record_view(SIDE)


class VenueOrder:
    """One leg's rows on their way to the venue's side. One thread; time is an argument.

    disorder_ns: how far a row's venue time may be before that of an earlier row. silence_ns: the longest delay of a
    row; the watermark follows the clock at this distance while nothing arrives. record: of VENUE_ORDER. stream: reads
    what is released; without one whoever calls `release` does.
    """

    def __init__(
        self,
        disorder_ns: int,
        silence_ns: int,
        record: np.ndarray[tuple[int, ...], np.dtype[np.void]] | None = None,
        stream: Stream | None = None,
    ) -> None:
        if disorder_ns < 0 or silence_ns < 0:
            raise ValueError(f"no negative times, not {disorder_ns} and {silence_ns}")
        self._blocks = Blocks()
        self._record = np.zeros(1, VENUE_ORDER) if record is None else record
        self._is_read_here = stream is None
        self._stream = stream or Stream(self._blocks, EXCH_EVENT)
        self._rows: Rows = np.zeros(_ROWS_MIN, event_dtype)
        for name, value in (
            ("rows", self._rows.ctypes.data),
            ("capacity", len(self._rows)),
            ("latest", _NO_TIME),
            ("watermark", -1),
            ("disorder_ns", disorder_ns),
            ("silence_ns", silence_ns),
            ("stream", self._stream.address),
        ):
            self._record[name] = value
        self._stream.follow(self._record.ctypes.data)

    @property
    def waiting(self) -> int:
        """Number of rows held until the watermark passes them."""
        return int(self._record["count"][0] - self._record["released"][0])

    @property
    def watermark(self) -> int:
        """The venue time up to which the rows are released."""
        return int(self._record["watermark"][0])

    def receive(self, rows: Rows) -> int:
        """Adds rows in the order of receipt; returns how many were behind the watermark."""
        self.make_room(len(rows))
        return int(_insert_all(self._record, rows))

    def release(self, now_ns: int) -> Rows:
        """Advances the watermark; returns the rows up to it, by venue time: a view, valid until the next call."""
        before = int(self._record["released"][0])
        _release_one(self._record, now_ns)
        if self._is_read_here:
            self._stream.follow(self._record.ctypes.data)
        return self._rows[before : int(self._record["released"][0])]

    def make_room(self, count: int) -> None:
        """Makes room for so many rows."""
        if _has_room(self._record, count):
            return
        held = int(self._record["count"][0])
        grown = np.zeros(max(2 * len(self._rows), held + count), event_dtype)
        grown[:held] = self._rows[:held]
        self._rows = grown
        self._record["rows"], self._record["capacity"] = grown.ctypes.data, len(grown)


class VenueSide:
    """The simulated exchanges of a session on live data. The event loop's thread."""

    def __init__(self, exchanges: SimulatedExchanges, disorder_ns: int, silence_ns: int) -> None:
        """disorder_ns, silence_ns: of every leg's rows; see `VenueOrder`."""
        self._records = np.zeros(len(exchanges.streams), VENUE_ORDER)
        self._orders = [
            VenueOrder(disorder_ns, silence_ns, self._records[no : no + 1], stream)
            for no, stream in enumerate(exchanges.streams)
        ]
        self.record = np.zeros(1, SIDE)
        for name, value in (
            ("orders", self._records.ctypes.data),
            ("legs", len(self._records)),
            ("port", exchanges.port_address),
            ("now_ns", -1),
            ("settled_ts", -1),
        ):
            self.record[name] = value
        self._cells = self.record.view(np.int64)
        #: Called with (leg, number of rows, watermark) for rows that arrived behind the leg's watermark.
        self.on_late: Callable[[int, int, int], object] = lambda leg_no, rows, watermark: None
        #: See `AnsweringSide`; `arb.simulation.read.ReadSteps` sets itself.
        self.steps: MessageSteps | None = None

    @property
    def settled_ts(self) -> int:
        """The venue time up to which the exchanges have all rows."""
        return int(self._cells[_SETTLED])

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """Adds rows of a leg in the order of receipt, after the bot has received them."""
        order = self._orders[leg_no]
        if late := order.receive(rows):
            self.on_late(leg_no, late, order.watermark)

    def on_time(self, now_ns: int) -> None:
        """Passes on the rows that the watermarks of `now_ns` have passed."""
        _move(self.record, now_ns)

    def make_room(self, leg_no: int, count: int) -> None:
        """Makes room for so many further rows of a leg."""
        self._orders[leg_no].make_room(count)


@compiled
def insert(order, rows, begin, end):
    """Inserts rows among those that wait, after those of the same venue time; returns how many were late.

    Rows with LOCAL_ONLY are for the strategy only and are left out. There is room for them.
    """
    waiting = carray(as_pointer(order.rows), order.capacity, event_dtype)
    watermark, count = order.watermark, order.count
    late = 0
    for index in range(begin, end):
        if rows[index].ival == LOCAL_ONLY:
            continue
        exch_ts = rows[index].exch_ts
        if exch_ts <= watermark:
            # An order may already have been processed at the watermark itself.
            exch_ts = watermark + 1
            late += 1
        order.latest = max(order.latest, exch_ts)
        place = count
        count += 1
        while place > order.released and waiting[place - 1].exch_ts > exch_ts:
            waiting[place] = waiting[place - 1]
            place -= 1
        waiting[place] = rows[index]
        waiting[place].ev |= _EXCH_FLAG
        waiting[place].exch_ts = exch_ts
    order.count = count
    return late


@compiled
def release(order, now_ns):
    """Advances the watermark, and appends the rows up to it to the stream."""
    order.watermark = max(order.watermark, order.latest - order.disorder_ns, now_ns - order.silence_ns)
    waiting = carray(as_pointer(order.rows), order.capacity, event_dtype)
    done = order.released
    while done < order.count and waiting[done].exch_ts <= order.watermark:
        done += 1
    if done > order.released:
        restart(stream_at(order.stream), order.released)
        order.released = done


@compiled
def move(side, now_ns):
    """Releases what the watermarks of `now_ns` have passed, and moves the exchanges' horizon."""
    orders = carray(as_pointer(side.orders), side.legs, VENUE_ORDER)
    # The clock may be set back; the horizon never decreases, and is never later than the bot's.
    side.now_ns = max(side.now_ns, now_ns)
    watermark = NEVER
    for number in range(side.legs):
        release(orders[number], now_ns)
        watermark = min(watermark, orders[number].watermark)
    side.settled_ts = max(side.settled_ts, min(watermark, side.now_ns))
    port = port_at(side.port)
    port.horizon = side.settled_ts
    port.next_ts = UNKNOWN


@compiled
def _insert_all(record, rows):
    return insert(record[0], rows, 0, len(rows))


@compiled
def _release_one(record, now_ns):
    release(record[0], now_ns)


@compiled
def _move(record, now_ns):
    move(record[0], now_ns)


@compiled
def _has_room(record, count):
    """Whether so many rows fit; if need be, drops those that the stream's reader has passed."""
    order = record[0]
    if order.count + count <= order.capacity:
        return True
    stream = stream_at(order.stream)
    read = order.released if stream.piece > 0 else max(stream.row, 0)
    if read > 0:
        rows = carray(as_pointer(order.rows), order.capacity, event_dtype)
        for index in range(order.count - read):
            rows[index] = rows[read + index]
        order.count -= read
        order.released -= read
        if stream.piece == 0:
            stream.row -= read
    return order.count + count <= order.capacity
