"""Compiled parser of Binance spot and USD-M: turns raw, combined-stream and REST snapshot frames into rows.

As strict as `connectors.parsing.scanner`, but keys may be in any order and unknown keys with scalar values are skipped.
Everything else is NOT_MINE and goes to the JSON decoder in `connectors.binance.market`.

Source: web-socket-streams.md and rest-api.md of binance-spot-api-docs (read 2026-07-21); USDⓈ-M "Websocket Market
Streams" (read 2026-10-23).
"""

from __future__ import annotations

from connectors.jit.compilation import compiled
from connectors.model import Kind
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    CLEAR_ASK,
    CLEAR_BID,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    DELTA_ASK,
    DELTA_BID,
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
    read_levels,
    read_number,
    read_snapshot_side,
    read_string,
    read_symbol,
    skip_scalar,
    stamp_rows,
    text,
)

_STREAM = text('{"stream":"')
_STREAM_NAME_OFFSET = len(_STREAM)
_DATA = text(',"data":{')
_DEPTH_UPDATE = text('depthUpdate"')
_TRADE = text('trade"')
_AGG_TRADE = text('aggTrade"')
_BOOK_TICKER = text('bookTicker"')
_MARKET = text('MARKET"')
_LAST_UPDATE_ID = text('lastUpdateId"')
_BIDS = text('bids"')
_ASKS = text('asks"')
_PREVIOUS_ID = text('pu"')
_DATA_KEY = text('data"')
_AT_DEPTH = text("@depth")

# Fields seen so far in a frame, one bit each; a frame with a repeated field is left to the JSON decoder.
_HAS_EVENT, _HAS_EVENT_TIME, _HAS_TIME, _HAS_SYMBOL = 1, 2, 4, 8
_HAS_FIRST_ID, _HAS_LAST_ID, _HAS_PREVIOUS_ID = 16, 32, 64
_HAS_BIDS, _HAS_ASKS, _HAS_PX, _HAS_QTY = 128, 256, 512, 1024
_HAS_MAKER, _HAS_TRADE_KIND, _HAS_SNAPSHOT_ID = 2048, 4096, 8192
_HAS_BID_PX, _HAS_BID_QTY, _HAS_ASK_PX, _HAS_ASK_QTY = 16384, 32768, 65536, 131072
_HAS_BOOK_BIDS, _HAS_BOOK_ASKS = 262144, 524288

_DELTA_NEEDS = (
    _HAS_EVENT | _HAS_EVENT_TIME | _HAS_SYMBOL | _HAS_FIRST_ID | _HAS_LAST_ID | _HAS_BIDS | _HAS_ASKS
)
_TRADE_NEEDS = _HAS_EVENT | _HAS_TIME | _HAS_SYMBOL | _HAS_PX | _HAS_QTY | _HAS_MAKER
_BBO_NEEDS = _HAS_LAST_ID | _HAS_SYMBOL | _HAS_BID_PX | _HAS_BID_QTY | _HAS_ASK_PX | _HAS_ASK_QTY
_SNAPSHOT_NEEDS = _HAS_SNAPSHOT_ID | _HAS_BOOK_BIDS | _HAS_BOOK_ASKS
#: A frame of another kind with any of these is not recognised here.
_ROW_FIELDS = _HAS_BIDS | _HAS_ASKS | _HAS_BOOK_BIDS | _HAS_BOOK_ASKS
_NOT_IN_DELTA = _HAS_BOOK_BIDS | _HAS_BOOK_ASKS | _HAS_SNAPSHOT_ID | _HAS_BID_PX | _HAS_ASK_PX
#: Fields that USD-M adds to a depthUpdate.
_USDM_DELTA_NEEDS = _HAS_TIME | _HAS_PREVIOUS_ID

_EVENT_NONE, _EVENT_DELTA, _EVENT_TRADE, _EVENT_AGG_TRADE, _EVENT_BBO = 0, 1, 2, 3, 4


@compiled
def _event_name(buffer, i):
    """The event whose name begins at `i`; _EVENT_NONE for events without rows."""
    if matches(buffer, i, _DEPTH_UPDATE):
        return _EVENT_DELTA
    if matches(buffer, i, _TRADE):
        return _EVENT_TRADE
    if matches(buffer, i, _BOOK_TICKER):
        return _EVENT_BBO
    if matches(buffer, i, _AGG_TRADE):
        return _EVENT_AGG_TRADE
    return _EVENT_NONE


@compiled
def _is_partial_depth(buffer, i):
    """Whether the stream name at `i`, a plain string, is a partial-depth stream such as `<symbol>@depth5`."""
    while buffer[i] != QUOTE:
        if matches(buffer, i, _AT_DEPTH):
            return buffer[i + 6] >= 48 and buffer[i + 6] <= 57
        i += 1
    return False


@compiled
def parse_binance_spot(buffer, start, end, symbols, local_ts, rows, row, out):
    """`parse_binance` for spot, whose depthUpdate carries neither `T` nor `pu`."""
    return parse_binance(buffer, start, end, symbols, local_ts, rows, row, out, 0)


@compiled
def parse_binance_usdm(buffer, start, end, symbols, local_ts, rows, row, out):
    """`parse_binance` for USD-M, whose depthUpdate must carry `T` and `pu`."""
    return parse_binance(buffer, start, end, symbols, local_ts, rows, row, out, _USDM_DELTA_NEEDS)


@compiled
def parse_binance(buffer, start, end, symbols, local_ts, rows, row, out, delta_needs):
    """Decodes the frame buffer[start:end] into `rows` from `row` on and the message record `out`.

    Returns the next free row, or NOT_MINE; then rows[row:] and `out` are undefined. The caller provides room for (end -
    start) / LEVEL_BYTES_MIN + 2 rows.
    """
    row_start = row
    i = start
    is_wrapped = matches(buffer, i, _STREAM)
    if is_wrapped:
        i = read_string(buffer, i + _STREAM_NAME_OFFSET)
        if i < 0 or not matches(buffer, i, _DATA):
            return NOT_MINE
        i += 9
    elif buffer[i] == OPEN_OBJECT:
        i += 1
    else:
        return NOT_MINE

    seen = 0
    letters = 0
    event = _EVENT_NONE
    event_time = time = first_id = last_id = previous_id = 0
    symbol = -1
    px = qty = bid_px = bid_qty = ask_px = ask_qty = 0.0
    is_maker_buyer = False
    is_market = True

    while True:
        if buffer[i] != QUOTE:
            return NOT_MINE
        bit = 0
        ok = True
        if buffer[i + 2] == QUOTE and buffer[i + 3] == COLON:
            key = buffer[i + 1]
            if not is_letter(key):
                return NOT_MINE
            # If a key is repeated, JSON uses the last value, whatever its type.
            letter = 1 << (key - 65)
            if letters & letter:
                return NOT_MINE
            letters |= letter
            i += 4
            value = buffer[i]
            if value == OPEN_LIST:
                if key == 98:  # b: bid levels
                    if seen & _HAS_ASKS:
                        return NOT_MINE
                    bit = _HAS_BIDS
                    i, row = read_levels(buffer, i, rows, row, DELTA_BID, local_ts)
                elif key == 97:  # a: ask levels
                    bit = _HAS_ASKS
                    i, row = read_levels(buffer, i, rows, row, DELTA_ASK, local_ts)
                else:
                    return NOT_MINE
            elif value == QUOTE:
                if key in (112, 113, 98, 66, 97, 65):  # p q b B a A are decimals
                    number, i, ok = read_decimal(buffer, i + 1)
                    if key == 112:
                        bit, px = _HAS_PX, number
                    elif key == 113:
                        bit, qty = _HAS_QTY, number
                    elif key == 98:
                        bit, bid_px = _HAS_BID_PX, number
                    elif key == 66:
                        bit, bid_qty = _HAS_BID_QTY, number
                    elif key == 97:
                        bit, ask_px = _HAS_ASK_PX, number
                    else:
                        bit, ask_qty = _HAS_ASK_QTY, number
                elif key == 101:  # e
                    bit = _HAS_EVENT
                    event = _event_name(buffer, i + 1)
                    i = read_string(buffer, i + 1)
                elif key == 115:  # s
                    bit = _HAS_SYMBOL
                    i, symbol = read_symbol(buffer, i + 1, symbols)
                elif key == 88:  # X: kind of trade
                    bit = _HAS_TRADE_KIND
                    is_market = matches(buffer, i + 1, _MARKET)
                    i = read_string(buffer, i + 1)
                elif key == 69 or key == 84 or key == 85 or key == 117:  # E T U u are numbers
                    return NOT_MINE
                else:
                    i = read_string(buffer, i + 1)
            elif key == 109:  # m
                bit = _HAS_MAKER
                is_maker_buyer = value == 116
                if value != 116 and value != 102:
                    return NOT_MINE
                i = skip_scalar(buffer, i)
            elif value >= 48 and value <= 57:
                whole, i = read_number(buffer, i)
                if key == 69:  # E
                    bit, event_time = _HAS_EVENT_TIME, whole
                elif key == 84:  # T
                    bit, time = _HAS_TIME, whole
                elif key == 85:  # U
                    bit, first_id = _HAS_FIRST_ID, whole
                elif key == 117:  # u
                    bit, last_id = _HAS_LAST_ID, whole
                elif key == 101 or key == 115 or key == 88:  # e s X are texts
                    return NOT_MINE
            elif key == 77:  # M, a flag without meaning
                i = skip_scalar(buffer, i)
            else:
                return NOT_MINE
        elif matches(buffer, i + 1, _PREVIOUS_ID) and buffer[i + 4] == COLON:
            bit = _HAS_PREVIOUS_ID
            previous_id, i = read_number(buffer, i + 5)
        else:
            name = i + 1
            i = read_string(buffer, name)
            if i < 0 or buffer[i] != COLON:
                return NOT_MINE
            i += 1
            if matches(buffer, name, _LAST_UPDATE_ID):
                bit = _HAS_SNAPSHOT_ID
                last_id, i = read_number(buffer, i)
            elif matches(buffer, name, _BIDS):
                if seen & _HAS_BOOK_ASKS:
                    return NOT_MINE
                bit = _HAS_BOOK_BIDS
                i, row = read_snapshot_side(buffer, i, rows, row, CLEAR_BID, SNAPSHOT_BID, local_ts)
            elif matches(buffer, name, _ASKS):
                bit = _HAS_BOOK_ASKS
                i, row = read_snapshot_side(buffer, i, rows, row, CLEAR_ASK, SNAPSHOT_ASK, local_ts)
            elif matches(buffer, name, _DATA_KEY):
                return NOT_MINE  # with a "stream" anywhere, this would be a combined frame
            else:
                i = skip_scalar(buffer, i)
        if i < 0 or not ok or seen & bit:
            return NOT_MINE
        seen |= bit
        after = buffer[i]
        i += 1
        if after == CLOSE_OBJECT:
            break
        if after != COMMA:
            return NOT_MINE

    if is_wrapped:
        if buffer[i] != CLOSE_OBJECT:
            return NOT_MINE
        i += 1
    if i != end or not is_stamp(time) or not is_stamp(event_time):
        return NOT_MINE

    out.symbol = symbol
    out.first_id = out.last_id = out.prev_id = out.book = 0
    if event == _EVENT_DELTA:
        needs = _DELTA_NEEDS | delta_needs
        if seen & needs != needs or seen & _NOT_IN_DELTA:
            return NOT_MINE
        if is_wrapped and _is_partial_depth(buffer, start + _STREAM_NAME_OFFSET):
            return NOT_MINE
        out.exch_ts = nanoseconds(time if seen & _HAS_TIME else event_time)
        out.kind = Kind.DELTA
        out.first_id = first_id
        out.last_id = last_id
        out.prev_id = previous_id
        stamp_rows(rows, row_start, row, out.exch_ts)
        return row
    if event in (_EVENT_TRADE, _EVENT_AGG_TRADE):
        if seen & _TRADE_NEEDS != _TRADE_NEEDS or seen & _ROW_FIELDS:
            return NOT_MINE
        out.exch_ts = nanoseconds(time)
        if not is_market:
            out.kind = Kind.OTHER
            return row
        out.kind = Kind.TRADE if event == _EVENT_TRADE else Kind.AGG_TRADE
        put_row(rows, row, TRADE_SELL if is_maker_buyer else TRADE_BUY, out.exch_ts, local_ts, px, qty)
        return row + 1
    if event == _EVENT_BBO or not seen & _HAS_EVENT:
        if seen & _BBO_NEEDS == _BBO_NEEDS and not seen & (_ROW_FIELDS | _HAS_SNAPSHOT_ID):
            out.kind = Kind.BBO
            out.last_id = last_id
            out.exch_ts = nanoseconds(time) if seen & _HAS_TIME else 0
            put_row(rows, row, BBO_BID, out.exch_ts, local_ts, bid_px, bid_qty)
            put_row(rows, row + 1, BBO_ASK, out.exch_ts, local_ts, ask_px, ask_qty)
            return row + 2
    # A combined frame of this shape is a partial-depth stream, which is not the complete book.
    is_book = not is_wrapped and not seen & (_HAS_EVENT | _HAS_LAST_ID | _HAS_BIDS | _HAS_ASKS)
    if is_book and seen & _SNAPSHOT_NEEDS == _SNAPSHOT_NEEDS:
        out.kind = Kind.SNAPSHOT
        out.symbol = 0
        out.first_id = out.last_id = last_id
        out.exch_ts = nanoseconds(time) if seen & _HAS_TIME else 0
        stamp_rows(rows, row_start, row, out.exch_ts)
        return row
    return NOT_MINE
