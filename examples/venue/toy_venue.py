"""A fictional venue, implemented by one class outside arb; docs/venues/adding.md explains it.

Its frames, on one websocket, with the channel first:

    {"ch":"book:ABCUSD","t":"snap","ts":1704067200000,"seq":7,"bids":[["99.5","2"]],"asks":[["100.5","1"]]}
    {"ch":"book:ABCUSD","t":"chg","ts":1704067200020,"seq":8,"bids":[["99.5","0"]],"asks":[]}
    {"ch":"trade:ABCUSD","ts":1704067200010,"seq":3,"side":"buy","px":"100.5","qty":"1"}
    {"re":"subscribe","id":1,"ok":true}

The first frame of a book subscription is "snap"; `seq` then grows by one with each change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from hftbacktest.types import event_dtype

from connectors.errors import DecodeError, InstrumentError
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
    NOT_A_FRAME,
    Id,
    Levels,
    Stamp,
    decimal,
    level_parts,
    message_of,
    rows_of,
    side_parts,
    stamp_ns,
)
from connectors.parsing.lines import line_loop
from connectors.parsing.scanner import (
    CLEAR_ASK,
    CLEAR_BID,
    CLOSE_OBJECT,
    DELTA_ASK,
    DELTA_BID,
    NOT_MINE,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
    TRADE_BUY,
    TRADE_SELL,
    find_symbol,
    is_stamp,
    matches,
    nanoseconds,
    read_int,
    read_levels,
    read_string,
    stamp_rows,
    text,
)

_S = 1_000_000_000
_NO_ROWS = np.zeros(0, event_dtype)
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
    name = start + len(_BOOK)
    i = read_string(buffer, name)
    if i <= name + 1 or not matches(buffer, i, _CHANGE):
        return NOT_MINE
    symbol = find_symbol(buffer, name, i - 1, symbols)
    at = i + len(_CHANGE)
    stamp, i = read_int(buffer, at)
    if i == at or not is_stamp(stamp) or not matches(buffer, i, _SEQ):
        return NOT_MINE
    at = i + len(_SEQ)
    seq, i = read_int(buffer, at)
    if i == at or not matches(buffer, i, _BIDS):
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


class ToyVenue:
    """A `connectors.model.Venue`: pure functions of frames, no socket, no clock."""

    name = "toy"
    sequence_rule = SequenceRule.INCREMENT
    limits = Limits(
        connects=100,
        connects_ns=60 * _S,
        messages=10,
        messages_ns=_S,
        topics=50,
        topics_per_request=20,
        topic_chars=0,
        weight=100,
        weight_ns=_S,
        life_ns=0,
        ping_ns=20 * _S,
    )
    parse_frame = staticmethod(parse_toy)
    decode_lines = staticmethod(line_loop(parse_toy))

    # Decoding frames.

    def decode(self, frame: bytes) -> Message:
        """The message in `frame`. Raises DecodeError."""
        return message_of(self.name, frame, self._message)

    def _message(self, payload: dict[str, Any]) -> Message:
        if "re" in payload:
            return Message(Kind.CONTROL, _NO_ROWS)
        channel, _, symbol = str(payload.get("ch", "")).partition(":")
        if channel == "book" and symbol:
            return _book(msgspec.convert(payload, _Book), symbol)
        if channel == "trade" and symbol:
            return _trade(msgspec.convert(payload, _Trade), symbol)
        raise ValueError("no known kind of frame")

    def topic_of(self, frame: bytes) -> str:
        channel = _object(frame).get("ch")
        return channel if isinstance(channel, str) else ""

    def opening(self, topic: str) -> bytes:
        return b'{"ch":"' + topic.encode() + b'"'

    def control(self, frame: bytes) -> Control | None:
        payload = _object(frame)
        if "re" not in payload:
            return None
        request_id = str(payload.get("id", ""))
        if payload.get("ok") is not True:
            return Control(ControlKind.ERROR, request_id, str(payload.get("why", "")))
        return Control(ControlKind.PONG if payload["re"] == "ping" else ControlKind.ACK, request_id)

    def mark(self, frame: bytes) -> Mark:
        payload = _object(frame)
        channel, seq = payload.get("ch"), payload.get("seq")
        if not isinstance(channel, str) or not isinstance(seq, int):
            raise DecodeError(self.name, "no frame of a channel", frame)
        return Mark(channel, str(seq), is_start=payload.get("t") == "snap", order=seq)

    # Requests on the websocket.

    def topic(self, stream: Stream, symbol: str) -> str:
        if stream not in _CHANNELS:
            raise InstrumentError(f"{self.name} has no stream {stream.value!r}")
        return f"{_CHANNELS[stream]}:{symbol}"

    def route(self, stream: Stream) -> str:
        return ""

    def url(self, base: str, route: str) -> str:
        return base

    def requests(self, verb: str, topics: Sequence[str], first_id: int) -> list[Request]:
        size = self.limits.topics_per_request
        batches = [tuple(topics[n : n + size]) for n in range(0, len(topics), size)]
        return [
            Request(_call(verb, first_id + n, batch), str(first_id + n), batch)
            for n, batch in enumerate(batches)
        ]

    def ping(self, request_id: int) -> Request:
        return Request(_call("ping", request_id, ()), str(request_id))

    # REST requests and responses.

    def snapshot_request(self, symbol: str) -> RestRequest | None:
        return None

    def time_request(self) -> RestRequest:
        return RestRequest("/time", 1)

    def time_of(self, body: bytes) -> int:
        stamp = _object(body).get("ts")
        if not isinstance(stamp, int):
            raise DecodeError(self.name, "no ts", body)
        return stamp * 1_000_000

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        return RestRequest("/symbols", 1)

    def listings_of(self, body: bytes) -> ListingPage:
        try:
            return ListingPage(tuple(_listing(item) for item in _object(body)["symbols"]))
        except (KeyError, TypeError) as error:
            raise DecodeError(self.name, f"no list of symbols: {error!r}", body) from None


def _book(book: _Book, symbol: str) -> Message:
    if book.t not in ("snap", "chg"):
        raise ValueError(f"{book.t!r} is no type of a book")
    if book.t == "snap":
        kind = Kind.SNAPSHOT
        parts = side_parts(book.bids, CLEAR_BID, SNAPSHOT_BID) + side_parts(
            book.asks, CLEAR_ASK, SNAPSHOT_ASK
        )
    else:
        kind = Kind.DELTA
        parts = level_parts(book.bids, DELTA_BID) + level_parts(book.asks, DELTA_ASK)
    exch_ts = stamp_ns(book.ts)
    return Message(kind, rows_of(parts, exch_ts), exch_ts, book.seq, book.seq, symbol=symbol)


def _trade(trade: _Trade, symbol: str) -> Message:
    exch_ts = stamp_ns(trade.ts)
    part = (_SIDES[trade.side], decimal(trade.px), decimal(trade.qty)) if trade.side in _SIDES else None
    if part is None:
        raise ValueError(f"{trade.side!r} is no side")
    return Message(Kind.TRADE, rows_of([part], exch_ts), exch_ts, symbol=symbol)


def _call(verb: str, request_id: int, channels: Sequence[str]) -> str:
    return json.dumps({"do": verb, "id": request_id, "channels": list(channels)}, separators=(",", ":"))


def _object(frame: bytes) -> dict[str, Any]:
    """The JSON object in `frame`; an empty dict if it contains none."""
    try:
        payload = msgspec.json.decode(frame)
    except NOT_A_FRAME:
        return {}
    return payload if isinstance(payload, dict) else {}


def _listing(item: dict[str, Any]) -> Listing:
    return Listing(item["name"], item["open"], item["tick"], item["lot"], item["min_qty"], item["min_value"])
