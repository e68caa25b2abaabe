"""Binance spot and USD-M as pure functions of their frames: the JSON decoder, the compiled parser, the id rule.

Requests and control frames are in `connectors.binance.protocol`.

Source: web-socket-streams.md and rest-api.md of binance-spot-api-docs (read 2026-07-21); USDⓈ-M "Websocket Market
Streams" (read 2026-10-23).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from connectors.binance.parser import parse_binance_spot, parse_binance_usdm
from connectors.binance.protocol import SPOT, USDM, BinanceWire
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

#: USD-M sends partial depth with the name and fields of changes; only the stream's name differs.
_PARTIAL_DEPTH = re.compile(r"@depth\d", re.ASCII)


class _Delta(msgspec.Struct, frozen=True):
    """`depthUpdate`; USD-M adds T and pu."""

    E: Stamp
    s: Symbol
    U: Id
    u: Id
    b: Levels
    a: Levels
    T: Stamp | None = None
    pu: Id | None = None


class _Trade(msgspec.Struct, frozen=True):
    """`trade` and `aggTrade`. X (USD-M) distinguishes market trades from those of the insurance fund and of ADL."""

    s: Symbol
    p: str
    q: str
    T: Stamp
    m: bool
    X: str = "MARKET"


class _Bbo(msgspec.Struct, frozen=True):
    """`bookTicker`; on spot without event name and time."""

    u: Id
    s: Symbol
    b: str
    B: str
    a: str
    A: str
    T: Stamp | None = None


class _MarkPrice(msgspec.Struct, frozen=True):
    """`markPriceUpdate`; T is the next funding time. Contracts with a delivery date have an empty r and a T of 0."""

    E: Stamp
    s: Symbol
    p: str
    r: str = ""
    T: Stamp = 0


class _Snapshot(msgspec.Struct, frozen=True):
    """The response of the REST depth endpoint; on spot without time."""

    lastUpdateId: Id  # noqa: N815 (the venue's name)
    bids: Levels
    asks: Levels
    T: Stamp | None = None


class BinanceSpot(BinanceWire):
    """Binance spot."""

    name = "binance_spot"
    wire = SPOT
    sequence_rule = SequenceRule.SPAN
    #: Compiled: the parser of one frame, and the loop over recorded lines.
    parse_frame = staticmethod(parse_binance_spot)
    decode_lines = staticmethod(line_loop(parse_binance_spot))
    _delta_has_time_and_pu = False

    def _message(self, payload: dict[str, Any]) -> Message:
        is_wrapped = "stream" in payload and "data" in payload
        is_partial = is_wrapped and _PARTIAL_DEPTH.search(str(payload["stream"])) is not None
        if is_wrapped:
            payload = payload["data"]
            if isinstance(payload, list):
                return Message(Kind.OTHER, NO_ROWS)
            if not isinstance(payload, dict):
                raise ValueError("the combined stream's data is no object")
        event = payload.get("e")
        if event == "depthUpdate":
            delta = self._delta(msgspec.convert(payload, _Delta))
            return Message(Kind.OTHER, NO_ROWS, delta.exch_ts, symbol=delta.symbol) if is_partial else delta
        if event in ("trade", "aggTrade"):
            return _trade(msgspec.convert(payload, _Trade), is_aggregate=event == "aggTrade")
        if event == "bookTicker" or (event is None and {"u", "s", "b", "B", "a", "A"} <= payload.keys()):
            return _bbo(msgspec.convert(payload, _Bbo))
        if event == "markPriceUpdate" and Stream.MARK_PRICE in self.wire.topics:
            mark = msgspec.convert(payload, _MarkPrice)
            return funding_message(stamp_ns(mark.E), mark.s, mark.p, mark.r, mark.T)
        if event is None and "lastUpdateId" in payload:
            # In a combined frame this is a partial-depth stream, which is not the complete book.
            return (
                Message(Kind.OTHER, NO_ROWS) if is_wrapped else _snapshot(msgspec.convert(payload, _Snapshot))
            )
        if isinstance(event, str):
            return Message(Kind.OTHER, NO_ROWS)
        if event is None and not is_wrapped and ({"result", "id", "error", "code"} & payload.keys()):
            return Message(Kind.CONTROL, NO_ROWS)
        raise ValueError("no known kind of frame")

    def _delta(self, delta: _Delta) -> Message:
        if self._delta_has_time_and_pu and (delta.T is None or delta.pu is None):
            raise ValueError("depthUpdate without T or pu")
        exch_ts = stamp_ns(delta.E if delta.T is None else delta.T)
        parts = change_parts(delta.b, delta.a)
        return Message(Kind.DELTA, rows_of(parts, exch_ts), exch_ts, delta.U, delta.u, delta.pu or 0, delta.s)


class BinanceUsdm(BinanceSpot):
    """Binance USD-M perpetuals."""

    name = "binance_usdm"
    wire = USDM
    sequence_rule = SequenceRule.PREVIOUS
    parse_frame = staticmethod(parse_binance_usdm)
    decode_lines = staticmethod(line_loop(parse_binance_usdm))
    _delta_has_time_and_pu = True


def _trade(trade: _Trade, *, is_aggregate: bool) -> Message:
    exch_ts = stamp_ns(trade.T)
    part = (TRADE_SELL if trade.m else TRADE_BUY, decimal(trade.p), decimal(trade.q))
    if trade.X != "MARKET":
        return Message(Kind.OTHER, NO_ROWS, exch_ts, symbol=trade.s)
    kind = Kind.AGG_TRADE if is_aggregate else Kind.TRADE
    return Message(kind, rows_of([part], exch_ts), exch_ts, symbol=trade.s)


def _bbo(bbo: _Bbo) -> Message:
    exch_ts = 0 if bbo.T is None else stamp_ns(bbo.T)
    parts = [(BBO_BID, decimal(bbo.b), decimal(bbo.B)), (BBO_ASK, decimal(bbo.a), decimal(bbo.A))]
    return Message(Kind.BBO, rows_of(parts, exch_ts), exch_ts, last_id=bbo.u, symbol=bbo.s)


def _snapshot(snapshot: _Snapshot) -> Message:
    exch_ts = 0 if snapshot.T is None else stamp_ns(snapshot.T)
    parts = snapshot_parts(snapshot.bids, snapshot.asks)
    last_id = snapshot.lastUpdateId
    return Message(Kind.SNAPSHOT, rows_of(parts, exch_ts), exch_ts, last_id, last_id)
