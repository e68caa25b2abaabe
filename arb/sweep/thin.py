"""Thinned rows: the rows of a leg without those that a strategy which acts on touches cannot notice.

A thinned leg has a book of one level a side. It changes where the touch or its quantity differs at the end of all rows
of one time, for the venue by venue time and for the strategy by local time, which are followed apart: a row may be for
either or for both. A new level is set before the old one is removed, so that a side is never empty in between; an
empty side (`DEPTH_CLEAR`, a silence) is cleared. Rows with funding data are kept, and trades where they are read.

A row of the strategy that changes nothing is kept where the staleness of the book depends on it (`now` less the time of
the last row, or that row's own latency, against `stale_after_ns`), as are the first row of each side, at which clocks
start, and the last two times, of which one is the clock at the end of a run. Such a row sets a level to what it is.

Exact for a strategy that reads touches and quantities at the touch, acts on nothing but their changes, answers and its
own deadlines, and whose orders never rest. Pure: takes rows, returns rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT, event_dtype

from arb.engine.blocks import Blocks, release_all
from arb.engine.book import NO_ASK, NO_BID, book_at, make_book, qty_at
from arb.engine.book_rows import apply_depth
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows
from connectors.parsing.scanner import CLEAR_ASK, CLEAR_BID, DELTA_ASK, DELTA_BID

#: Rows taken at a time, and the most that each may write: two levels of both sides for each reader, and itself.
_BLOCK_ROWS, _WRITTEN_MAX = 1 << 14, 9
#: Rows that the end may write.
_END_ROWS = 16

EXCH, LOCAL = np.uint64(EXCH_EVENT), np.uint64(LOCAL_EVENT)
_CLEAR_BID, _CLEAR_ASK = np.uint64(CLEAR_BID), np.uint64(CLEAR_ASK)
_BID, _ASK = np.uint64(DELTA_BID), np.uint64(DELTA_ASK)
NO_ROW = -1

#: One reader of the rows, the venue or the strategy: its whole book, the group of rows of one time that it is in (the
#: times and the number of its last row), and the touch as its thinned rows show it so far.
READER = np.dtype(
    [
        ("book", "i8"),
        ("ts", "i8"),
        ("row_no", "i8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("is_begun", "i8"),
        ("bid", "i8"),
        ("ask", "i8"),
        ("bid_qty", "f8"),
        ("ask_qty", "f8"),
        # The local time of the last kept row, and whether it arrived late.
        ("kept_ts", "i8"),
        ("is_kept_late", "i8"),
        # The group before the present one, if it was left out.
        ("left_exch_ts", "i8"),
        ("left_local_ts", "i8"),
        ("is_left", "i8"),
    ],
    align=True,
)


class Thinner:
    """Thins the rows of one leg, array by array. One thread."""

    def __init__(
        self, tick_size: float, lot_size: float, stale_after_ns: int, *, keeps_trades: bool = False
    ) -> None:
        """stale_after_ns: of the strategy. keeps_trades: whether it reads public trades."""
        self._blocks = Blocks()
        self._readers = np.zeros(2, READER)
        for reader in self._readers:
            reader["book"] = make_book(self._blocks, tick_size, lot_size)
            reader["bid"], reader["ask"], reader["row_no"] = NO_BID, NO_ASK, NO_ROW
        self._owners = self._blocks.owners()
        self._stale_after_ns = stale_after_ns
        self._keeps_trades = keeps_trades
        self._out = np.zeros(_BLOCK_ROWS * _WRITTEN_MAX, event_dtype)
        self._count = 0

    def feed(self, rows: Rows) -> Iterator[Rows]:
        """The thinned rows of the leg's next rows, in pieces; a piece is valid until the next one."""
        for first in range(0, len(rows), _BLOCK_ROWS):
            block = rows[first : first + _BLOCK_ROWS]
            count = _thin(
                block, self._count, self._readers, self._stale_after_ns, self._keeps_trades, self._out
            )
            self._count += len(block)
            yield self._out[:count]

    def finish(self) -> Rows:
        """The thinned rows at the end of the leg; nothing may follow."""
        count = int(_finish(self._readers, self._out[:_END_ROWS]))
        release_all(self._owners.ctypes.data, len(self._owners))
        return self._out[:count]


def thinned(
    arrays: Iterable[Rows],
    tick_size: float,
    lot_size: float,
    stale_after_ns: int,
    *,
    keeps_trades: bool = False,
) -> Rows:
    """All rows of a leg, in order, thinned: one array."""
    thinner = Thinner(tick_size, lot_size, stale_after_ns, keeps_trades=keeps_trades)
    pieces = [piece.copy() for rows in arrays for piece in thinner.feed(rows)]
    pieces.append(thinner.finish().copy())
    return np.concatenate(pieces)


@compiled
def _thin(rows, first_no, readers, stale_after_ns, keeps_trades, out):
    """Adds rows, the first of which has the number `first_no`; writes to `out`, and returns how many."""
    venue, local = readers[0], readers[1]
    count = 0
    for index in range(len(rows)):
        row = rows[index]
        is_venue, is_local = row.ev & EXCH != 0, row.ev & LOCAL != 0
        is_venue_over = is_venue and venue.row_no != NO_ROW and row.exch_ts != venue.ts
        is_local_over = is_local and local.row_no != NO_ROW and row.local_ts != local.ts
        if is_venue_over or is_local_over:
            count = _end(venue, local, is_venue_over, is_local_over, row.local_ts, stale_after_ns, out, count)
        kind = np.int64(row.ev) & 0xFF
        is_trade = kind == TRADE_EVENT and is_local and keeps_trades
        if kind == FUNDING_EVENT or is_trade:
            out[count] = row
            if is_trade:
                out[count].ev &= ~EXCH
            count += 1
        if is_venue:
            join(venue, row, row.exch_ts, first_no + index)
        if is_local:
            join(local, row, row.local_ts, first_no + index)
            if is_trade:
                _keep(local, stale_after_ns)
    return count


@compiled
def _finish(readers, out):
    """Ends the last groups of both readers; returns how many rows were written."""
    venue, local = readers[0], readers[1]
    count = 0
    if venue.row_no != NO_ROW and (_is_changed(venue) or not venue.is_begun):
        count = write(venue, venue, EXCH, out, count)
    if local.row_no != NO_ROW:
        if local.is_left:
            count = _repeat(local, LOCAL, local.left_exch_ts, local.left_local_ts, out, count)
        count = write(local, local, LOCAL, out, count)
    return count


@compiled
def join(reader, row, ts, row_no):
    """Applies a row to a reader's whole book, as the last row so far of its group."""
    reader.ts = ts
    reader.row_no = row_no
    reader.exch_ts = row.exch_ts
    reader.local_ts = row.local_ts
    apply_depth(book_at(reader.book), row)


@compiled
def _end(venue, local, is_venue_over, is_local_over, next_ts, stale_after_ns, out, count):
    """Ends groups: writes what the touch has become, if it changed or a reader needs a row; returns the new count.

    next_ts: the local time of the strategy's next group.
    """
    is_venue_kept = is_venue_over and (_is_changed(venue) or not venue.is_begun)
    # The first group is needed: before it nothing was kept.
    is_local_kept = is_local_over and (_is_changed(local) or _is_needed(local, next_ts, stale_after_ns))
    if is_local_over:
        local.is_left = not is_local_kept
        local.left_exch_ts, local.left_local_ts = local.exch_ts, local.local_ts
    if is_venue_kept and is_local_kept and venue.row_no == local.row_no and _is_alike(venue, local):
        count = write(local, venue, EXCH | LOCAL, out, count)
        _keep(local, stale_after_ns)
        return count
    if is_venue_kept:
        count = write(venue, venue, EXCH, out, count)
    if is_local_kept:
        count = write(local, local, LOCAL, out, count)
        _keep(local, stale_after_ns)
    return count


@compiled
def _keep(local, stale_after_ns):
    """Notes that the last row of the strategy's group is kept."""
    local.kept_ts = local.local_ts
    local.is_kept_late = local.local_ts - local.exch_ts > stale_after_ns


@compiled
def _is_needed(local, next_ts, stale_after_ns):
    """Whether the book's staleness before `next_ts` would be another one without the group."""
    is_late = local.local_ts - local.exch_ts > stale_after_ns
    if is_late != (local.is_kept_late != 0):
        return True
    return not is_late and next_ts - local.kept_ts > stale_after_ns


@compiled
def bid_of(book):
    """The best bid in ticks, NO_BID without one, and its quantity."""
    return book.best_bid, qty_at(book, True, book.best_bid) if book.best_bid != NO_BID else 0.0


@compiled
def ask_of(book):
    """The best ask in ticks, NO_ASK without one, and its quantity."""
    return book.best_ask, qty_at(book, False, book.best_ask) if book.best_ask != NO_ASK else 0.0


@compiled
def _is_changed(reader):
    """Whether the touch differs from the one that the thinned rows show."""
    book = book_at(reader.book)
    bid, bid_qty = bid_of(book)
    ask, ask_qty = ask_of(book)
    is_bid_same = bid == reader.bid and bid_qty == reader.bid_qty
    return not (is_bid_same and ask == reader.ask and ask_qty == reader.ask_qty)


@compiled
def _is_alike(one, other):
    """Whether the same rows take both readers from the touch that they show to the present one."""
    is_shown = one.bid == other.bid and one.bid_qty == other.bid_qty
    if not (is_shown and one.ask == other.ask and one.ask_qty == other.ask_qty):
        return False
    book, other_book = book_at(one.book), book_at(other.book)
    return bid_of(book) == bid_of(other_book) and ask_of(book) == ask_of(other_book)


@compiled
def write(reader, beside, flags, out, count):
    """Writes the rows that show the reader's touch, at least one; returns the new count.

    beside: the other reader, if the rows are for both; otherwise the same.
    """
    book = book_at(reader.book)
    bid, bid_qty = bid_of(book)
    ask, ask_qty = ask_of(book)
    before = count
    if bid != reader.bid or bid_qty != reader.bid_qty:
        if bid == NO_BID:
            count = _put(reader, flags | _CLEAR_BID, np.nan, 0.0, out, count)
        else:
            count = _put(reader, flags | _BID, bid * book.tick_size, bid_qty, out, count)
            if reader.bid not in (NO_BID, bid):
                count = _put(reader, flags | _BID, reader.bid * book.tick_size, 0.0, out, count)
    if ask != reader.ask or ask_qty != reader.ask_qty:
        if ask == NO_ASK:
            count = _put(reader, flags | _CLEAR_ASK, np.nan, 0.0, out, count)
        else:
            count = _put(reader, flags | _ASK, ask * book.tick_size, ask_qty, out, count)
            if reader.ask not in (NO_ASK, ask):
                count = _put(reader, flags | _ASK, reader.ask * book.tick_size, 0.0, out, count)
    if count == before:
        count = _repeat(reader, flags, reader.exch_ts, reader.local_ts, out, count)
    for one in (reader, beside):
        one.is_begun = 1
        one.bid, one.bid_qty, one.ask, one.ask_qty = bid, bid_qty, ask, ask_qty
    return count


@compiled
def _repeat(reader, flags, exch_ts, local_ts, out, count):
    """Writes a row that sets a side to what the thinned rows show; returns the new count."""
    tick_size = book_at(reader.book).tick_size
    if reader.bid != NO_BID:
        count = _put(reader, flags | _BID, reader.bid * tick_size, reader.bid_qty, out, count)
    elif reader.ask != NO_ASK:
        count = _put(reader, flags | _ASK, reader.ask * tick_size, reader.ask_qty, out, count)
    else:
        count = _put(reader, flags | _CLEAR_BID, np.nan, 0.0, out, count)
    out[count - 1].exch_ts = exch_ts
    out[count - 1].local_ts = local_ts
    return count


@compiled
def _put(reader, ev, px, qty, out, count):
    """Writes one row with the times of the reader's group; returns the new count."""
    row = out[count]
    row.ev = ev
    row.exch_ts = reader.exch_ts
    row.local_ts = reader.local_ts
    row.px = px
    row.qty = qty
    row.order_id = 0
    row.ival = 0
    row.fval = 0.0
    return count + 1
