"""Binance's requests, control frames and REST requests.

Market frames are decoded in `connectors.binance`. Combined streams (`/stream`) are always used, so that every market
frame contains its stream's name. Pure.

Source: binance-spot-api-docs web-socket-streams.md and rest-api.md (read 2026-07-21); USDⓈ-M "Websocket Market
Streams" with the routed paths that are mandatory since 2026-04-23 (read 2026-10-23).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from connectors.errors import DecodeError, InstrumentError
from connectors.model import (
    Control,
    ControlKind,
    Limits,
    Listing,
    ListingPage,
    Mark,
    Request,
    RestRequest,
    Stream,
)
from connectors.parsing.json_fields import NOT_A_FRAME, listed_number, listed_symbol

_S = 1_000_000_000
_MINUTE = 60 * _S
_DAY = 86_400 * _S

#: First bytes of market frames of combined streams.
_STREAM = b'{"stream":"'
_SHUTDOWN = "serverShutdown"
_ENDING = re.compile(r"/(ws|stream)/?\Z")


class Wire(NamedTuple):
    """Differences between the markets of Binance."""

    venue: str
    topics: dict[Stream, str]
    #: The route of each stream; "" if all share one address.
    routes: dict[Stream, str]
    limits: Limits
    #: Path of the REST interface, levels of a snapshot, weight of that request and of exchangeInfo.
    api: str
    snapshot_levels: int
    snapshot_weight: int
    listings_weight: int


_TOPICS = {
    Stream.DEPTH: "depth@100ms",
    Stream.TOUCH: "bookTicker",
    Stream.TRADE: "trade",
    Stream.AGG_TRADE: "aggTrade",
    Stream.KLINE_1M: "kline_1m",
}
SPOT = Wire(
    venue="binance_spot",
    topics=_TOPICS,
    routes={},
    # The venue accepts 5 frames per second, pongs included; one is reserved for pongs.
    limits=Limits(300, 5 * _MINUTE, 4, _S, 1024, 200, 0, 6000, _MINUTE, _DAY, 20 * _S),
    api="/api/v3",
    snapshot_levels=1000,
    snapshot_weight=50,
    listings_weight=20,
)
USDM = Wire(
    venue="binance_usdm",
    topics={**_TOPICS, Stream.MARK_PRICE: "markPrice@1s"},
    # A subscription on the wrong route is acknowledged, but no data is sent.
    routes={
        Stream.DEPTH: "public",
        Stream.TOUCH: "public",
        Stream.TRADE: "public",
        Stream.AGG_TRADE: "market",
        Stream.KLINE_1M: "market",
        Stream.MARK_PRICE: "market",
    },
    # 1,024 streams are documented, but other clients assume 200; the limit on connects is that of spot.
    limits=Limits(300, 5 * _MINUTE, 8, _S, 200, 100, 0, 2400, _MINUTE, _DAY, 60 * _S),
    api="/fapi/v1",
    snapshot_levels=1000,
    snapshot_weight=20,
    listings_weight=1,
)


class BinanceWire:
    """The sans-I/O methods of `connectors.model.Venue` that both markets share."""

    wire = SPOT

    @property
    def limits(self) -> Limits:
        return self.wire.limits

    def topic(self, stream: Stream, symbol: str) -> str:
        name = self.wire.topics.get(stream)
        if name is None:
            raise InstrumentError(f"{self.wire.venue} has no stream {stream.value!r}")
        return f"{symbol.lower()}@{name}"

    def route(self, stream: Stream) -> str:
        return self.wire.routes.get(stream, "")

    def url(self, base: str, route: str) -> str:
        base = _ENDING.sub("", base.rstrip("/"))
        return f"{base}/{route}/stream" if route else f"{base}/stream"

    def requests(self, verb: str, topics: Sequence[str], first_id: int) -> list[Request]:
        size = self.limits.topics_per_request
        batches = [tuple(topics[n : n + size]) for n in range(0, len(topics), size)]
        return [
            Request(_call(verb.upper(), first_id + n, list(batch)), str(first_id + n), batch)
            for n, batch in enumerate(batches)
        ]

    def ping(self, request_id: int) -> Request:
        """The venue's JSON protocol has no ping; this request changes nothing and is answered like any other."""
        return Request(_call("LIST_SUBSCRIPTIONS", request_id, None), str(request_id))

    def topic_of(self, frame: bytes) -> str:
        if frame.startswith(_STREAM):
            end = frame.find(b'"', len(_STREAM))
            return frame[len(_STREAM) : end].decode("ascii", "replace") if end > 0 else ""
        payload = _object(frame)
        stream = payload.get("stream")
        return stream if isinstance(stream, str) else ""

    def opening(self, topic: str) -> bytes:
        return _STREAM + topic.encode() + b'"'

    def control(self, frame: bytes) -> Control | None:
        if frame.startswith(_STREAM) and not frame.startswith(b'{"stream":"!'):
            return None
        payload = _object(frame)
        data = payload.get("data", payload)
        if isinstance(data, dict) and data.get("e") == _SHUTDOWN:
            return Control(ControlKind.NOTICE, text=_SHUTDOWN)
        if "stream" in payload or "e" in payload:
            return None
        request_id = payload.get("id")
        text = "" if request_id is None else str(request_id)
        error = payload.get("error", payload)
        if isinstance(error, dict) and "code" in error:
            return Control(ControlKind.ERROR, text, f"{error.get('code')}: {error.get('msg')}")
        if "result" in payload:
            kind = ControlKind.ACK if payload["result"] is None else ControlKind.PONG
            return Control(kind, text)
        return None

    def mark(self, frame: bytes) -> Mark:
        payload = _object(frame)
        topic, data = payload.get("stream"), payload.get("data")
        if not isinstance(topic, str) or not isinstance(data, dict):
            raise DecodeError(self.wire.venue, "no frame of a combined stream", frame)
        number = next((data[name] for name in ("u", "t", "a") if isinstance(data.get(name), int)), None)
        if number is None:
            return Mark(topic, "", is_start=True)
        return Mark(topic, str(number), order=number)

    def snapshot_request(self, symbol: str) -> RestRequest | None:
        wire = self.wire
        return RestRequest(
            f"{wire.api}/depth?symbol={symbol}&limit={wire.snapshot_levels}", wire.snapshot_weight
        )

    def time_request(self) -> RestRequest:
        return RestRequest(f"{self.wire.api}/time", 1)

    def time_of(self, body: bytes) -> int:
        stamp = _object(body).get("serverTime")
        if not isinstance(stamp, int):
            raise DecodeError(self.wire.venue, "no serverTime", body)
        return stamp * 1_000_000

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        path = f"{self.wire.api}/exchangeInfo"
        if self.wire.venue == SPOT.venue and symbols:
            # A JSON list, percent-encoded.
            path += "?symbols=%5B" + "%2C".join(f"%22{symbol}%22" for symbol in symbols) + "%5D"
        return RestRequest(path, self.wire.listings_weight)

    def listings_of(self, body: bytes) -> ListingPage:
        try:
            return ListingPage(tuple(_listing(item) for item in _object(body)["symbols"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise DecodeError(self.wire.venue, f"no exchangeInfo: {error!r}", body) from None


def _call(method: str, request_id: int, params: list[str] | None) -> str:
    call: dict[str, Any] = {"method": method, "params": params, "id": request_id}
    if params is None:
        del call["params"]
    return json.dumps(call, separators=(",", ":"))


def _object(frame: bytes) -> dict[str, Any]:
    """The JSON object in `frame`; an empty one if there is none."""
    try:
        payload = msgspec.json.decode(frame)
    except NOT_A_FRAME:
        return {}
    return payload if isinstance(payload, dict) else {}


def _listing(item: dict[str, Any]) -> Listing:
    filters = {entry["filterType"]: entry for entry in item["filters"]}
    lot, notional = filters["LOT_SIZE"], filters.get("NOTIONAL", filters.get("MIN_NOTIONAL", {}))
    return Listing(
        symbol=listed_symbol(item["symbol"]),
        is_trading=item["status"] == "TRADING",
        tick_size=listed_number(filters["PRICE_FILTER"]["tickSize"], is_step=True),
        lot_size=listed_number(lot["stepSize"], is_step=True),
        min_qty=listed_number(lot["minQty"]),
        # The field is named `notional` on USD-M.
        min_notional=listed_number(notional.get("minNotional", notional.get("notional"))),
    )
