"""The thinned rows of a group without those of quiet times, in which a set of parameters has no use for quantities.

Most thinned rows change the quantity at a touch and no price. A strategy that reads quantities only while it may act
needs them in some spans of time alone, which differ from set to set. Outside of them its rows are the *quiet* ones of
each leg: every change of a price, and whatever came last before a *point*, so that at points all touches are exact in
prices, quantities and age. Points are the changes of a price, of any leg, and the times at which the strategy records.
A set's rows are cut together at points: quiet rows, and all thinned rows within its spans.

The venue fills a taker whole at the touch, so its rows are changes of a price, always. Rows for it and for the strategy
are apart. Pure: takes rows, returns rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import event_dtype
from numpy.typing import NDArray

from arb.engine.blocks import Blocks, release_all
from arb.engine.book import NO_ASK, NO_BID, book_at, make_book
from arb.sweep.thin import EXCH, LOCAL, NO_ROW, READER, ask_of, bid_of, join, write
from connectors.jit.compilation import compiled
from connectors.model import FUNDING_EVENT, Rows

#: So many of each leg's last times are points.
_LAST_TIMES = 3
#: Rows that one group of rows may need: two levels a side.
_WRITTEN_MAX = 4

#: The touch of one reader at the end of the rows of one time, in ticks; NO_BID and NO_ASK for an empty side.
TOUCH = np.dtype([("ts", "i8"), ("bid", "i8"), ("ask", "i8"), ("bid_qty", "f8"), ("ask_qty", "f8")])

#: A change of a price of a leg, as the strategy receives it; NaN for an empty side.
PRICES = np.dtype([("ts", "i8"), ("leg", "i8"), ("bid", "f8"), ("ask", "f8")])


class QuietLeg(NamedTuple):
    """Rows of one leg: for the venue, all of the strategy's, and its quiet ones.

    cuts, quiet_cuts: of each point, how many of these rows are not after it. bid_ts, ask_ts: when that side changed.
    """

    venue: Rows
    rows: Rows
    quiet: Rows
    cuts: NDArray[np.int64]
    quiet_cuts: NDArray[np.int64]
    bid_ts: NDArray[np.int64]
    ask_ts: NDArray[np.int64]


class QuietRows(NamedTuple):
    """The rows of all legs. points: times in ns, ascending; prices: rows of PRICES, by time and leg."""

    legs: Sequence[QuietLeg]
    points: NDArray[np.int64]
    prices: Any

    def within(self, spans: NDArray[np.int64]) -> list[list[Rows]]:
        """Of each leg: all rows in spans, (n, 2) numbers of points, ascending and apart, and quiet ones elsewhere.

        Views of the kept rows, in order; at last those for the venue.
        """
        return [_pieces(leg, spans) for leg in self.legs]


def quiet_rows(legs: Sequence[Rows], ticks: Sequence[tuple[float, float]], interval_ns: int) -> QuietRows:
    """Takes the thinned rows of every leg. ticks: tick and lot; interval_ns: from one record to the next."""
    venues = [_only(rows, EXCH) for rows in legs]
    own = [_only(rows, LOCAL) for rows in legs]
    touches = [_touches(rows, *tick) for rows, tick in zip(own, ticks, strict=True)]
    moved = [_is_moved(one) for one in touches]
    points = _points(touches, moved, interval_ns)
    made = []
    for venue, rows, touch, is_moved, tick in zip(venues, own, touches, moved, ticks, strict=True):
        is_kept = is_moved.copy()
        last = np.searchsorted(touch["ts"], points, "right") - 1
        is_kept[last[last >= 0]] = True
        kept = _written(rows, is_kept, LOCAL, *tick)
        is_bid, is_ask = _changes(touch, "bid"), _changes(touch, "ask")
        made.append(
            QuietLeg(
                _of_venue(venue, *tick),
                rows,
                kept,
                np.searchsorted(rows["local_ts"], points, "right"),
                np.searchsorted(kept["local_ts"], points, "right"),
                touch["ts"][is_bid],
                touch["ts"][is_ask],
            )
        )
    return QuietRows(made, points, _prices(touches, moved, ticks))


def _pieces(leg: QuietLeg, spans: NDArray[np.int64]) -> list[Rows]:
    pieces: list[Rows] = []
    done = 0
    cuts, quiet_cuts = leg.cuts[spans].tolist(), leg.quiet_cuts[spans].tolist()
    for (begin, end), (quiet_begin, quiet_end) in zip(cuts, quiet_cuts, strict=True):
        pieces += [leg.quiet[done:quiet_begin], leg.rows[begin:end]]
        done = quiet_end
    pieces.append(leg.quiet[done:])
    pieces.append(leg.venue)
    return [piece for piece in pieces if len(piece)]


def _only(rows: Rows, flag: np.uint64) -> Rows:
    """The rows of one reader, for it alone."""
    mine = rows[rows["ev"] & flag != 0]
    mine["ev"] &= ~(LOCAL if flag == EXCH else EXCH)
    return mine


def _points(touches: Sequence[Any], moved: Sequence[Any], interval_ns: int) -> NDArray[np.int64]:
    times = [touch["ts"][is_moved] for touch, is_moved in zip(touches, moved, strict=True)]
    # The clock at the end of a run is one of the last times.
    times += [touch["ts"][-_LAST_TIMES:] for touch in touches]
    known = np.unique(np.concatenate(times))
    if len(known):
        records = np.arange(known[0], known[-1], interval_ns, np.int64)
        known = np.union1d(known, records)
    return known


def _changes(touch: Any, side: str, *, with_qty: bool = True) -> NDArray[np.bool_]:
    """At which times a side differs from the time before; the first one does."""
    is_changed = np.ones(len(touch), np.bool_)
    is_changed[1:] = touch[side][1:] != touch[side][:-1]
    if with_qty:
        qty = touch[f"{side}_qty"]
        is_changed[1:] |= qty[1:] != qty[:-1]
    return is_changed


def _is_moved(touch: Any) -> NDArray[np.bool_]:
    """At which times a price changes."""
    return _changes(touch, "bid", with_qty=False) | _changes(touch, "ask", with_qty=False)


def _prices(touches: Sequence[Any], moved: Sequence[Any], ticks: Sequence[tuple[float, float]]) -> Any:
    parts = []
    for leg_no, (touch, is_moved, (tick_size, _)) in enumerate(zip(touches, moved, ticks, strict=True)):
        mine = touch[is_moved]
        part = np.zeros(len(mine), PRICES)
        part["ts"], part["leg"] = mine["ts"], leg_no
        part["bid"] = np.where(mine["bid"] == NO_BID, np.nan, mine["bid"] * tick_size)
        part["ask"] = np.where(mine["ask"] == NO_ASK, np.nan, mine["ask"] * tick_size)
        parts.append(part)
    whole = np.concatenate(parts)
    return whole[np.lexsort((whole["leg"], whole["ts"]))]


def _of_venue(rows: Rows, tick_size: float, lot_size: float) -> Rows:
    """The venue's rows that change a price, and those with funding data."""
    is_funding = np.int64(rows["ev"]) & 0xFF == FUNDING_EVENT if len(rows) else np.zeros(0, np.bool_)
    book = rows[~is_funding]
    touch = _touches(book, tick_size, lot_size, of_venue=True)
    kept = _written(book, _is_moved(touch), EXCH, tick_size, lot_size)
    whole = np.concatenate((kept, rows[is_funding]))
    return whole[np.argsort(whole["exch_ts"], kind="stable")]


class _Following:
    """The whole book that rows make, for compiled code; frees its memory at the end."""

    def __init__(self, tick_size: float, lot_size: float) -> None:
        self._blocks = Blocks()
        self.reader = np.zeros(1, READER)
        self.reader["book"] = make_book(self._blocks, tick_size, lot_size)
        self.reader["bid"], self.reader["ask"], self.reader["row_no"] = NO_BID, NO_ASK, NO_ROW
        self._owners = self._blocks.owners()

    def end(self) -> None:
        release_all(self._owners.ctypes.data, len(self._owners))


def _touches(rows: Rows, tick_size: float, lot_size: float, *, of_venue: bool = False) -> Any:
    """Rows of TOUCH: one for each time of the reader."""
    following = _Following(tick_size, lot_size)
    found = np.zeros(len(rows), TOUCH)
    count = _follow(rows, following.reader, of_venue, found)
    following.end()
    return found[:count]


def _written(
    rows: Rows, is_kept: NDArray[np.bool_], flag: np.uint64, tick_size: float, lot_size: float
) -> Rows:
    """Rows that make the touches of these times, and of no others."""
    following = _Following(tick_size, lot_size)
    out = np.zeros(_WRITTEN_MAX * int(is_kept.sum()), event_dtype)
    count = _write_kept(rows, following.reader, is_kept, flag, out)
    following.end()
    return out[:count].copy()


@compiled
def _follow(rows, readers, of_venue, out):
    """Writes the touch at the end of each time; returns how many there are."""
    reader = readers[0]
    count = 0
    for index in range(len(rows)):
        row = rows[index]
        ts = row.exch_ts if of_venue else row.local_ts
        if reader.row_no != NO_ROW and ts != reader.ts:
            _put_touch(reader, out[count])
            count += 1
        join(reader, row, ts, index)
    if reader.row_no != NO_ROW:
        _put_touch(reader, out[count])
        count += 1
    return count


@compiled
def _put_touch(reader, touch):
    book = book_at(reader.book)
    touch.ts = reader.ts
    touch.bid, touch.bid_qty = bid_of(book)
    touch.ask, touch.ask_qty = ask_of(book)


@compiled
def _write_kept(rows, readers, is_kept, flag, out):
    """Writes the touches of the times that are kept, as `Thinner` does; returns the number of rows."""
    reader = readers[0]
    count, group = 0, 0
    for index in range(len(rows)):
        row = rows[index]
        ts = row.exch_ts if flag == EXCH else row.local_ts
        if reader.row_no != NO_ROW and ts != reader.ts:
            if is_kept[group]:
                count = write(reader, reader, flag, out, count)
            group += 1
        join(reader, row, ts, index)
    if reader.row_no != NO_ROW and is_kept[group]:
        count = write(reader, reader, flag, out, count)
    return count
