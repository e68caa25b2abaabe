"""A fictional venue, implemented by one class outside arb; docs/venues/adding.md explains it.

Its frames, on one websocket, with the channel first:

    {"ch":"book:ABCUSD","t":"snap","ts":1704067200000,"seq":7,"bids":[["99.5","2"]],"asks":[["100.5","1"]]}
    {"ch":"book:ABCUSD","t":"chg","ts":1704067200020,"seq":8,"bids":[["99.5","0"]],"asks":[]}
    {"ch":"trade:ABCUSD","ts":1704067200010,"seq":3,"side":"buy","px":"100.5","qty":"1"}
    {"re":"subscribe","id":1,"ok":true}

The first frame of a book subscription is "snap"; `seq` then grows by one with each change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.errors import InstrumentError
from connectors.jit.compilation import compiled
from connectors.model import (
    Control,
    ControlKind,
    Kind,
    Limits,
    Listing,
    ListingPage,
    Mark,
    Message,
    Request,
    RestRequest,
    SequenceRule,
    Stream,
)
from connectors.parsing.json_fields import (
    NO_ROWS,
    Id,
    Levels,
    Stamp,
    change_parts,
    decimal,
    rows_of,
    snapshot_parts,
    stamp_ns,
)
from connectors.parsing.json_venue import JsonVenue, compact_json, object_of
from connectors.parsing.lines import line_loop
from connectors.parsing.scanner import (
    CLOSE_OBJECT,
    DELTA_ASK,
    DELTA_BID,
    NOT_MINE,
    TRADE_BUY,
    TRADE_SELL,
    is_stamp,
    matches,
    nanoseconds,
    read_levels,
    read_number,
    read_symbol,
    stamp_rows,
    text,
)
from connectors.units import MILLISECOND, SECOND

_CHANNELS = {Stream.DEPTH: "book", Stream.TRADE: "trade"}
_SIDES = {"buy": TRADE_BUY, "sell": TRADE_SELL}

# The fixed parts of a book change, in order; all other frames are left to `decode`.
_BOOK, _CHANGE, _SEQ = text('{"ch":"book:'), text(',"t":"chg","ts":'), text(',"seq":')
_BIDS, _ASKS = text(',"bids":'), text(',"asks":')


class _Book(msgspec.Struct, frozen=True):
    ch: str
    t: str
    ts: Stamp
    seq: Id
    bids: Levels
    asks: Levels


class _Trade(msgspec.Struct, frozen=True):
    ch: str
    ts: Stamp
    seq: Id
    side: str
    px: str
    qty: str


@compiled
def parse_toy(buffer, start, end, symbols, local_ts, rows, row, out):
    """Parses a book change at buffer[start:end] into `rows` from `row` on and `out`. Returns the next free row."""
    if not matches(buffer, start, _BOOK):
        return NOT_MINE
    i, symbol = read_symbol(buffer, start + len(_BOOK), symbols)
    if i < 0 or not matches(buffer, i, _CHANGE):
        return NOT_MINE
    stamp, i = read_number(buffer, i + len(_CHANGE))
    if i < 0 or not is_stamp(stamp) or not matches(buffer, i, _SEQ):
        return NOT_MINE
    seq, i = read_number(buffer, i + len(_SEQ))
    if i < 0 or not matches(buffer, i, _BIDS):
        return NOT_MINE
    i, next_row = read_levels(buffer, i + len(_BIDS), rows, row, DELTA_BID, local_ts)
    if i < 0 or not matches(buffer, i, _ASKS):
        return NOT_MINE
    i, next_row = read_levels(buffer, i + len(_ASKS), rows, next_row, DELTA_ASK, local_ts)
    if i < 0 or buffer[i] != CLOSE_OBJECT or i + 1 != end:
        return NOT_MINE
    out.kind = Kind.DELTA
    out.exch_ts = nanoseconds(stamp)
    out.sent_ts = 0
    out.first_id = out.last_id = seq
    out.prev_id = 0
    out.book = 0
    out.symbol = symbol
    stamp_rows(rows, row, next_row, out.exch_ts)
    return next_row


class ToyVenue(JsonVenue):
    """A `connectors.model.Venue`: pure functions of frames, no socket, no clock."""

    name = "toy"
    frame_head = b'{"ch":"'
    topic_key = "ch"
    sequence_rule = SequenceRule.INCREMENT
    limits = Limits(
        connects=100,
        connects_ns=60 * SECOND,
        messages=10,
        messages_ns=SECOND,
        topics=50,
        topics_per_request=20,
        topic_chars=0,
        weight=100,
        weight_ns=SECOND,
        life_ns=0,
        ping_ns=20 * SECOND,
    )
    parse_frame = staticmethod(parse_toy)
    decode_lines = staticmethod(line_loop(parse_toy))

    # Decoding frames.

    def _message(self, payload: dict[str, Any]) -> Message:
        if "re" in payload:
            return Message(Kind.CONTROL, NO_ROWS)
        channel, _, symbol = str(payload.get("ch", "")).partition(":")
        if channel == "book" and symbol:
            return _book(msgspec.convert(payload, _Book), symbol)
        if channel == "trade" and symbol:
            return _trade(msgspec.convert(payload, _Trade), symbol)
        raise ValueError("no known kind of frame")

    def control(self, frame: bytes) -> Control | None:
        payload = object_of(frame)
        if "re" not in payload:
            return None
        request_id = str(payload.get("id", ""))
        if payload.get("ok") is not True:
            return Control(ControlKind.ERROR, request_id, str(payload.get("why", "")))
        return Control(ControlKind.PONG if payload["re"] == "ping" else ControlKind.ACK, request_id)

    def _mark(self, payload: dict[str, Any]) -> Mark:
        seq = int(payload["seq"])
        return Mark(str(payload["ch"]), str(seq), is_start=payload.get("t") == "snap", order=seq)

    # Requests on the websocket.

    def topic(self, stream: Stream, symbol: str) -> str:
        if stream not in _CHANNELS:
            raise InstrumentError(f"{self.name} has no stream {stream.value!r}")
        return f"{_CHANNELS[stream]}:{symbol}"

    def ping(self, request_id: int) -> Request:
        return Request(self._request_text("ping", request_id, ()), str(request_id))

    def _request_text(self, verb: str, request_id: int, topics: Sequence[str]) -> str:
        return compact_json({"do": verb, "id": request_id, "channels": list(topics)})

    # REST requests and responses.

    def time_request(self) -> RestRequest:
        return RestRequest("/time", 1)

    def _time(self, payload: dict[str, Any]) -> int:
        return int(payload["ts"]) * MILLISECOND

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        return RestRequest("/symbols", 1)

    def _listings(self, payload: dict[str, Any]) -> ListingPage:
        return ListingPage(tuple(_listing(item) for item in payload["symbols"]))


def _book(book: _Book, symbol: str) -> Message:
    if book.t not in ("snap", "chg"):
        raise ValueError(f"{book.t!r} is no type of a book")
    if book.t == "snap":
        kind = Kind.SNAPSHOT
        parts = snapshot_parts(book.bids, book.asks)
    else:
        kind = Kind.DELTA
        parts = change_parts(book.bids, book.asks)
    exch_ts = stamp_ns(book.ts)
    return Message(kind, rows_of(parts, exch_ts), exch_ts, book.seq, book.seq, symbol=symbol)


def _trade(trade: _Trade, symbol: str) -> Message:
    exch_ts = stamp_ns(trade.ts)
    part = (_SIDES[trade.side], decimal(trade.px), decimal(trade.qty))
    return Message(Kind.TRADE, rows_of([part], exch_ts), exch_ts, symbol=symbol)


def _listing(item: dict[str, Any]) -> Listing:
    return Listing(item["name"], item["open"], item["tick"], item["lot"], item["min_qty"], item["min_value"])
