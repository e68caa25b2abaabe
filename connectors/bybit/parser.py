"""Compiled parser of Bybit v5 spot and linear: turns `orderbook.N` and `publicTrade` frames into rows.

The order of `ts` and `type` differs between spot and linear, so fields are not read by position; but `topic` must
precede `data`, and `type` the levels of a book, else the frame is NOT_MINE and goes to the JSON decoder.

Source: bybit-exchange/docs v5 `websocket/public/{orderbook,trade}.mdx` (read 2026-07-24). `cts` is the time of the
matching engine, `ts` that of the gateway; the archive and live streams carry both.
"""

from __future__ import annotations

import numpy as np

from connectors.jit.compilation import compiled
from connectors.model import Kind
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_ASK,
    CLEAR_BID,
    CLOSE_LIST,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    DELTA_ASK,
    DELTA_BID,
    DOT,
    NOT_MINE,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
    TRADE_BUY,
    TRADE_SELL,
    is_letter,
    is_stamp,
    matches,
    nanoseconds,
    put_row,
    read_decimal,
    read_digits,
    read_levels,
    read_number,
    read_snapshot_side,
    read_string,
    read_symbol,
    skip_scalar,
    stamp_rows,
    text,
)

_ORDER_BOOK = text("orderbook.")
_ORDER_BOOK_1 = text("orderbook.1.")
_PUBLIC_TRADE = text("publicTrade.")
# Keys end with their quote, so that no longer key matches.
_TOPIC = text('topic"')
_TYPE = text('type"')
_TS = text('ts"')
_CTS = text('cts"')
_DATA = text('data"')
_SEQ = text('seq"')
_SNAPSHOT = text('snapshot"')
_DELTA = text('delta"')
_BUY = text('Buy"')
_SELL = text('Sell"')

_HAS_TOPIC, _HAS_TYPE, _HAS_TS, _HAS_CTS, _HAS_DATA = 1, 2, 4, 8, 16
_HAS_SYMBOL, _HAS_BIDS, _HAS_ASKS, _HAS_ID, _HAS_SEQ = 1, 2, 4, 8, 16
_HAS_TIME, _HAS_SIDE, _HAS_PX, _HAS_QTY = 32, 64, 128, 256

_TOPIC_BOOK, _TOPIC_BBO, _TOPIC_TRADE = 1, 2, 3
_IS_SNAPSHOT, _IS_DELTA = 1, 2


@compiled
def _read_book(buffer, i, rows, row, out, symbols, local_ts, kind):
    """Reads the `data` object of an orderbook frame, after its brace: index after it (-1: refused), next free row."""
    seen = 0
    while True:
        if buffer[i] != QUOTE:
            return -1, row
        bit = 0
        if buffer[i + 2] == QUOTE and buffer[i + 3] == COLON:
            key = buffer[i + 1]
            if not is_letter(key):
                return -1, row
            i += 4
            if key == 115:  # s
                bit = _HAS_SYMBOL
                if buffer[i] != QUOTE:
                    return -1, row
                i, out.symbol = read_symbol(buffer, i + 1, symbols)
            elif key == 98:  # b
                bit = _HAS_BIDS
                if seen & _HAS_ASKS:
                    return -1, row
                if kind == _IS_SNAPSHOT:
                    i, row = read_snapshot_side(buffer, i, rows, row, CLEAR_BID, SNAPSHOT_BID, local_ts)
                else:
                    i, row = read_levels(buffer, i, rows, row, DELTA_BID, local_ts)
            elif key == 97:  # a
                bit = _HAS_ASKS
                if kind == _IS_SNAPSHOT:
                    i, row = read_snapshot_side(buffer, i, rows, row, CLEAR_ASK, SNAPSHOT_ASK, local_ts)
                else:
                    i, row = read_levels(buffer, i, rows, row, DELTA_ASK, local_ts)
            elif key == 117:  # u
                bit = _HAS_ID
                out.last_id, i = read_number(buffer, i)
            else:
                i = skip_scalar(buffer, i)
        else:
            name = i + 1
            i = read_string(buffer, name)
            if i < 0 or buffer[i] != COLON:
                return -1, row
            if matches(buffer, name, _SEQ):
                bit = _HAS_SEQ
                out.first_id, i = read_number(buffer, i + 1)
            else:
                i = skip_scalar(buffer, i + 1)
        if i < 0 or seen & bit:
            return -1, row
        seen |= bit
        after = buffer[i]
        i += 1
        if after == CLOSE_OBJECT:
            break
        if after != COMMA:
            return -1, row
    needs = _HAS_SYMBOL | _HAS_ID
    if kind == _IS_SNAPSHOT:
        needs |= _HAS_BIDS | _HAS_ASKS
    return (i, row) if seen & needs == needs else (-1, row)


@compiled
def _read_trade(buffer, i, rows, row, out, symbols, local_ts):
    """Reads one object of a publicTrade list, after its brace, as one row: index after it (-1: refused)."""
    seen = 0
    px = qty = 0.0
    event = TRADE_BUY
    time = 0
    while True:
        if buffer[i] != QUOTE:
            return -1
        bit = 0
        ok = True
        if buffer[i + 2] == QUOTE and buffer[i + 3] == COLON:
            key = buffer[i + 1]
            if not is_letter(key):
                return -1
            i += 4
            if buffer[i] != QUOTE:
                if key == 84:  # T
                    bit = _HAS_TIME
                    time, i = read_number(buffer, i)
                elif key == 115 or key == 83 or key == 112 or key == 118:
                    return -1
                else:
                    i = skip_scalar(buffer, i)
            elif key == 112:  # p
                bit = _HAS_PX
                px, i, ok = read_decimal(buffer, i + 1)
            elif key == 118:  # v
                bit = _HAS_QTY
                qty, i, ok = read_decimal(buffer, i + 1)
            elif key == 83:  # S: the taker's side
                bit = _HAS_SIDE
                if matches(buffer, i + 1, _SELL):
                    event = TRADE_SELL
                    i += 6
                elif matches(buffer, i + 1, _BUY):
                    i += 5
                else:
                    return -1
            elif key == 115:  # s
                bit = _HAS_SYMBOL
                i, symbol = read_symbol(buffer, i + 1, symbols)
                if symbol < 0 or (out.symbol >= 0 and out.symbol != symbol):
                    return -1
                out.symbol = symbol
            elif key == 84:
                return -1
            else:
                i = read_string(buffer, i + 1)
        else:
            i = read_string(buffer, i + 1)
            if i < 0 or buffer[i] != COLON:
                return -1
            i = skip_scalar(buffer, i + 1)
        if i < 0 or not ok or seen & bit:
            return -1
        seen |= bit
        after = buffer[i]
        i += 1
        if after == CLOSE_OBJECT:
            break
        if after != COMMA:
            return -1
    needs = _HAS_SYMBOL | _HAS_TIME | _HAS_SIDE | _HAS_PX | _HAS_QTY
    if seen & needs != needs or not is_stamp(time):
        return -1
    out.exch_ts = nanoseconds(time)
    put_row(rows, row, event, out.exch_ts, local_ts, px, qty)
    return i


@compiled
def parse_bybit(buffer, start, end, symbols, local_ts, rows, row, out):
    """`parse_bybit_frame` with the matching engine's time, `cts`, as exchange time if the frame has it."""
    return parse_bybit_frame(buffer, start, end, symbols, local_ts, rows, row, out, True)


@compiled
def parse_bybit_gateway_time(buffer, start, end, symbols, local_ts, rows, row, out):
    """`parse_bybit_frame` with the gateway's time, `ts`, as exchange time, like hftbacktest's own converter."""
    return parse_bybit_frame(buffer, start, end, symbols, local_ts, rows, row, out, False)


@compiled
def parse_bybit_frame(buffer, start, end, symbols, local_ts, rows, row, out, use_cts):
    """Decodes the frame buffer[start:end] into `rows` from `row` on and the message record `out`.

    Returns the next free row, or NOT_MINE; then rows[row:] and `out` are undefined. The caller provides room for (end -
    start) / LEVEL_BYTES_MIN + 2 rows. `out.first_id` of a book is its `seq`.
    """
    row_start = row
    i = start
    if buffer[i] != OPEN_OBJECT:
        return NOT_MINE
    i += 1
    seen = 0
    topic = kind = 0
    ts = cts = 0
    out.symbol = -1
    out.first_id = 0
    out.last_id = 0
    out.prev_id = 0
    out.book = 0
    while True:
        if buffer[i] != QUOTE:
            return NOT_MINE
        name = i + 1
        i = read_string(buffer, name)
        if i < 0 or buffer[i] != COLON:
            return NOT_MINE
        i += 1
        bit = 0
        if matches(buffer, name, _TOPIC):
            bit = _HAS_TOPIC
            if buffer[i] != QUOTE:
                return NOT_MINE
            if matches(buffer, i + 1, _ORDER_BOOK):
                topic = _TOPIC_BBO if matches(buffer, i + 1, _ORDER_BOOK_1) else _TOPIC_BOOK
                # "orderbook.rpi." and "orderbook.full." have other fields: a number must follow.
                depth, digits = read_digits(buffer, i + 11)
                if digits == 0 or digits == 8 or buffer[i + 11 + digits] != DOT:
                    return NOT_MINE
                if topic == _TOPIC_BOOK:
                    out.book = np.int64(depth)
            elif matches(buffer, i + 1, _PUBLIC_TRADE):
                topic = _TOPIC_TRADE
            else:
                return NOT_MINE
            i = read_string(buffer, i + 1)
        elif matches(buffer, name, _TYPE):
            bit = _HAS_TYPE
            if buffer[i] != QUOTE:
                return NOT_MINE
            if matches(buffer, i + 1, _SNAPSHOT):
                kind = _IS_SNAPSHOT
                i += 10
            elif matches(buffer, i + 1, _DELTA):
                kind = _IS_DELTA
                i += 7
            else:
                return NOT_MINE
        elif matches(buffer, name, _TS):
            bit = _HAS_TS
            ts, i = read_number(buffer, i)
        elif matches(buffer, name, _CTS):
            bit = _HAS_CTS
            cts, i = read_number(buffer, i)
        elif matches(buffer, name, _DATA):
            bit = _HAS_DATA
            if topic == _TOPIC_TRADE:
                i, row = _read_trades(buffer, i, rows, row, out, symbols, local_ts)
            elif topic in (_TOPIC_BOOK, _TOPIC_BBO) and kind != 0 and buffer[i] == OPEN_OBJECT:
                i, row = _read_book(buffer, i + 1, rows, row, out, symbols, local_ts, kind)
            else:
                return NOT_MINE
        else:
            i = skip_scalar(buffer, i)
        if i < 0 or seen & bit:
            return NOT_MINE
        seen |= bit
        after = buffer[i]
        i += 1
        if after == CLOSE_OBJECT:
            break
        if after != COMMA:
            return NOT_MINE
    needs = _HAS_TOPIC | _HAS_TYPE | _HAS_TS | _HAS_DATA
    if i != end or seen & needs != needs or not is_stamp(ts) or not is_stamp(cts):
        return NOT_MINE
    if topic == _TOPIC_TRADE:
        out.kind = Kind.TRADE
        return row
    out.exch_ts = nanoseconds(cts if use_cts and seen & _HAS_CTS else ts)
    out.sent_ts = nanoseconds(ts)
    stamp_rows(rows, row_start, row, out.exch_ts)
    if topic == _TOPIC_BOOK:
        out.kind = Kind.SNAPSHOT if kind == _IS_SNAPSHOT else Kind.DELTA
        return row
    return _best_only(rows, row_start, row, out, kind)


@compiled
def _read_trades(buffer, i, rows, row, out, symbols, local_ts):
    """Reads the non-empty list of trades at `i`: index after it (-1: refused) and the next free row."""
    if buffer[i] != OPEN_LIST:
        return -1, row
    i += 1
    while True:
        if buffer[i] != OPEN_OBJECT:
            return -1, row
        i = _read_trade(buffer, i + 1, rows, row, out, symbols, local_ts)
        if i < 0:
            return -1, row
        row += 1
        after = buffer[i]
        i += 1
        if after == CLOSE_LIST:
            return i, row
        if after != COMMA:
            return -1, row


@compiled
def _best_only(rows, row_start, row, out, kind):
    """Turns the rows of an `orderbook.1` snapshot (clear, bid, clear, ask) into its two BBO rows."""
    is_pair = (
        kind == _IS_SNAPSHOT
        and row - row_start == 4
        and rows[row_start + 1].ev == np.uint64(SNAPSHOT_BID)
        and rows[row_start + 3].ev == np.uint64(SNAPSHOT_ASK)
    )
    if not is_pair:
        return NOT_MINE  # an empty side has no best price; left to the JSON decoder
    out.kind = Kind.BBO
    exch_ts, local_ts = out.exch_ts, rows[row_start].local_ts
    put_row(rows, row_start, BBO_BID, exch_ts, local_ts, rows[row_start + 1].px, rows[row_start + 1].qty)
    put_row(rows, row_start + 1, BBO_ASK, exch_ts, local_ts, rows[row_start + 3].px, rows[row_start + 3].qty)
    return row_start + 2
