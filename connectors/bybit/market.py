"""Bybit v5 spot and linear as pure functions of their frames: the JSON decoder, the compiled parser, the id rule.

Requests and control frames are in `connectors.bybit.protocol`.

Source: bybit-exchange/docs v5 `websocket/public/{orderbook,trade,ticker}.mdx` (read 2026-07-24).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from connectors.bybit.parser import parse_bybit
from connectors.bybit.protocol import TOPICS, BybitWire
from connectors.model import Kind, Message, SequenceRule, Stream
from connectors.parsing.json_fields import (
    NO_ROWS,
    Id,
    Levels,
    Stamp,
    Symbol,
    change_parts,
    decimal,
    funding_message,
    level_parts,
    rows_of,
    snapshot_parts,
    stamp_ns,
)
from connectors.parsing.lines import line_loop
from connectors.parsing.scanner import (
    BBO_ASK,
    BBO_BID,
    TRADE_BUY,
    TRADE_SELL,
)

#: Levels of a book stream in its topic; "rpi" and "full" are other streams.
_DEPTH = re.compile(r"\d{1,7}", re.ASCII)
_TIME = re.compile(r"\d{1,13}", re.ASCII)


class _BookData(msgspec.Struct, frozen=True):
    """`data` of an orderbook frame; a delta may lack a side that did not change."""

    s: Symbol
    u: Id
    b: Levels = ()
    a: Levels = ()
    seq: Id = 0


class _Book(msgspec.Struct, frozen=True):
    topic: str
    type: str
    ts: Stamp
    data: _BookData
    cts: Stamp | None = None


class _Trade(msgspec.Struct, frozen=True):
    """One public trade; S is the taker's side."""

    T: Stamp
    s: Symbol
    S: str
    v: str
    p: str


class _Trades(msgspec.Struct, frozen=True):
    topic: str
    type: str
    ts: Stamp
    data: list[_Trade]


class _TickerData(msgspec.Struct, frozen=True):
    """`data` of a linear tickers frame; a delta has only what changed, a dated contract has empty texts."""

    symbol: Symbol
    markPrice: str = ""  # noqa: N815 (the venue's name)
    fundingRate: str = ""  # noqa: N815
    nextFundingTime: str = ""  # noqa: N815


class _Ticker(msgspec.Struct, frozen=True):
    topic: str
    type: str
    ts: Stamp
    data: _TickerData


class BybitLinear(BybitWire):
    """Bybit v5 linear perpetuals."""

    name = "bybit_linear"
    sequence_rule = SequenceRule.INCREMENT
    #: Compiled: the parser of one frame, and the loop over recorded lines.
    parse_frame = staticmethod(parse_bybit)
    decode_lines = staticmethod(line_loop(parse_bybit))

    def _message(self, payload: dict[str, Any]) -> Message:
        topic = payload.get("topic")
        if not isinstance(topic, str):
            if topic is None and ("op" in payload or "success" in payload or "ret_msg" in payload):
                return Message(Kind.CONTROL, NO_ROWS)
            raise ValueError("no known kind of frame")
        if topic.startswith("publicTrade."):
            return _trades(msgspec.convert(payload, _Trades))
        if topic.startswith("tickers.") and Stream.MARK_PRICE in self.topics:
            return _ticker(msgspec.convert(payload, _Ticker))
        depth = topic.split(".")[1] if topic.startswith("orderbook.") else ""
        if _DEPTH.fullmatch(depth):
            return _book(msgspec.convert(payload, _Book), depth)
        return Message(Kind.OTHER, NO_ROWS)


class BybitSpot(BybitLinear):
    """Bybit v5 spot; the same frames as linear."""

    name = "bybit_spot"
    category = "spot"
    topics = TOPICS
    limits = BybitWire.limits._replace(topics_per_request=10)


def _trades(frame: _Trades) -> Message:
    symbols = {trade.s for trade in frame.data}
    if len(symbols) != 1:
        raise ValueError("trades of none or of several symbols in one frame")
    parts, times = [], []
    for trade in frame.data:
        if trade.S not in ("Buy", "Sell"):
            raise ValueError(f"{trade.S!r} is no side")
        parts.append((TRADE_SELL if trade.S == "Sell" else TRADE_BUY, decimal(trade.p), decimal(trade.v)))
        times.append(stamp_ns(trade.T))
    return Message(Kind.TRADE, rows_of(parts, times), times[-1], symbol=symbols.pop())


def _ticker(frame: _Ticker) -> Message:
    data = frame.data
    return funding_message(
        stamp_ns(frame.ts), data.symbol, data.markPrice, data.fundingRate, _stamp_of(data.nextFundingTime)
    )


def _stamp_of(text: str) -> int:
    """A time in ms as Bybit writes it inside tickers, a text; 0 if it is empty. Raises ValueError."""
    if text and not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is no time in ms")
    return int(text or 0)


def _book(frame: _Book, depth: str) -> Message:
    if frame.type not in ("snapshot", "delta"):
        raise ValueError(f"{frame.type!r} is no type of an orderbook frame")
    is_snapshot = frame.type == "snapshot"
    data = frame.data
    exch_ts = stamp_ns(frame.ts if frame.cts is None else frame.cts)
    if depth == "1":
        kind = Kind.BBO
        parts = level_parts(data.b[:1], BBO_BID) + level_parts(data.a[:1], BBO_ASK)
    elif is_snapshot:
        kind = Kind.SNAPSHOT
        parts = snapshot_parts(data.b, data.a)
    else:
        kind = Kind.DELTA
        parts = change_parts(data.b, data.a)
    book = 0 if depth == "1" else int(depth)
    return Message(
        kind, rows_of(parts, exch_ts), exch_ts, data.seq, data.u, 0, data.s, stamp_ns(frame.ts), book
    )
