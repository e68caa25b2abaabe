"""Binance's requests, control frames and REST requests.

Market frames are decoded in `connectors.binance.market`. Combined streams (`/stream`) are always used, so that every
market frame contains its stream's name. Pure.

Source: binance-spot-api-docs web-socket-streams.md and rest-api.md (read 2026-07-21); USDⓈ-M "Websocket Market
Streams" with the routed paths that are mandatory since 2026-04-23 (read 2026-10-23).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from connectors.errors import InstrumentError
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
from connectors.parsing.json_fields import decimal, listed_number, listed_symbol
from connectors.parsing.json_venue import JsonVenue, compact_json, object_of
from connectors.units import DAY, MILLISECOND, MINUTE, SECOND

_SHUTDOWN = "serverShutdown"
#: The larger one of the two markets' weights of a request for five levels.
_TOUCH_WEIGHT = 5
#: Perpetuals have a delivery in the year 2100.
_NEVER_MS = 4_000_000_000_000
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
    limits=Limits(300, 5 * MINUTE, 4, SECOND, 1024, 200, 0, 6000, MINUTE, DAY, 20 * SECOND),
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
    limits=Limits(300, 5 * MINUTE, 8, SECOND, 200, 100, 0, 2400, MINUTE, DAY, 60 * SECOND),
    api="/fapi/v1",
    snapshot_levels=1000,
    snapshot_weight=20,
    listings_weight=1,
)


class BinanceWire(JsonVenue):
    """The sans-I/O methods of `connectors.model.Venue` that both markets share."""

    wire = SPOT
    #: Of combined streams.
    frame_head = b'{"stream":"'
    topic_key = "stream"

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

    def ping(self, request_id: int) -> Request:
        """The venue's JSON protocol has no ping; this request changes nothing and is answered like any other."""
        return Request(compact_json({"method": "LIST_SUBSCRIPTIONS", "id": request_id}), str(request_id))

    def _request_text(self, verb: str, request_id: int, topics: Sequence[str]) -> str:
        return compact_json({"method": verb.upper(), "params": list(topics), "id": request_id})

    def control(self, frame: bytes) -> Control | None:
        if frame.startswith(self.frame_head) and not frame.startswith(b'{"stream":"!'):
            return None
        payload = object_of(frame)
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

    def _mark(self, payload: dict[str, Any]) -> Mark:
        topic, data = payload["stream"], payload["data"]
        if not isinstance(topic, str) or not isinstance(data, dict):
            raise ValueError("no frame of a combined stream")
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

    def _time(self, payload: dict[str, Any]) -> int:
        return int(payload["serverTime"]) * MILLISECOND

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        path = f"{self.wire.api}/exchangeInfo"
        if self.wire.venue == SPOT.venue and symbols:
            # A JSON list, percent-encoded.
            path += "?symbols=%5B" + "%2C".join(f"%22{symbol}%22" for symbol in symbols) + "%5D"
        return RestRequest(path, self.wire.listings_weight)

    def _listings(self, payload: dict[str, Any]) -> ListingPage:
        return ListingPage(tuple(_listing(item) for item in payload["symbols"]))

    def touch_request(self, symbol: str) -> RestRequest:
        return RestRequest(f"{self.wire.api}/depth?symbol={symbol}&limit=5", _TOUCH_WEIGHT)

    def _touch(self, payload: dict[str, Any]) -> tuple[float, float]:
        ((bid, *_), *_), ((ask, *_), *_) = payload["bids"], payload["asks"]
        return decimal(bid), decimal(ask)


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
        closes_ms=closes if (closes := int(item.get("deliveryDate", 0))) < _NEVER_MS else 0,
    )
