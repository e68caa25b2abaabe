"""Bybit's requests, control frames and REST requests.

Market frames are decoded in `connectors.bybit.market`. A book's snapshot is sent on subscription, so there is no
request for it: a broken chain is repaired by unsubscribing and subscribing. Pure.

Source: bybit-exchange/docs v5 `wss-authentication.mdx`, `websocket/public/*.mdx`,
`market/{time,instrument,orderbook}.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

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
from connectors.text import percent_encoded
from connectors.units import MINUTE, SECOND

#: Prefix of topics; the symbol follows. The depth of the book is the adapter's.
TOPICS = {
    Stream.TOUCH: "orderbook.1",
    Stream.TRADE: "publicTrade",
    Stream.KLINE_1M: "kline.1",
    Stream.TICKER: "tickers",
}


class BybitWire(JsonVenue):
    """The sans-I/O methods of `connectors.model.Venue` that spot and linear share."""

    name = "bybit_linear"
    category = "linear"
    #: Linear's tickers have the mark price and the funding rate.
    topics: ClassVar[dict[Stream, str]] = {**TOPICS, Stream.MARK_PRICE: TOPICS[Stream.TICKER]}
    frame_head = b'{"topic":"'
    topic_key = "topic"
    #: Levels of the followed book: 50 is sent every 20 ms, 200 every 100 ms.
    depth = 50
    #: No message rate is documented. The limits on `args` are documented: 21,000 characters, and 10 topics per request
    #: on spot.
    limits = Limits(500, 5 * MINUTE, 10, SECOND, 500, 100, 21_000, 600, 5 * SECOND, 0, 20 * SECOND)

    def topic(self, stream: Stream, symbol: str) -> str:
        prefix = f"orderbook.{self.depth}" if stream == Stream.DEPTH else self.topics.get(stream)
        if prefix is None:
            raise InstrumentError(f"{self.name} has no stream {stream.value!r}")
        return f"{prefix}.{symbol}"

    def ping(self, request_id: int) -> Request:
        return Request(compact_json({"req_id": str(request_id), "op": "ping"}), str(request_id))

    def _request_text(self, verb: str, request_id: int, topics: Sequence[str]) -> str:
        return compact_json({"req_id": str(request_id), "op": verb, "args": list(topics)})

    def control(self, frame: bytes) -> Control | None:
        if frame.startswith(self.frame_head):
            return None
        payload = object_of(frame)
        if "topic" in payload or not ({"op", "success", "ret_msg"} & payload.keys()):
            return None
        op, text = payload.get("op"), str(payload.get("ret_msg", ""))
        request_id = str(payload.get("req_id") or "")
        if op == "pong" or (op == "ping" and text == "pong"):
            return Control(ControlKind.PONG, request_id)
        if payload.get("success") is False:
            return Control(ControlKind.ERROR, request_id, text)
        if op == "auth":
            return Control(ControlKind.AUTH, request_id, text)
        if op in ("subscribe", "unsubscribe"):
            return Control(ControlKind.ACK, request_id, op)
        return Control(ControlKind.OTHER, request_id, text)

    def _mark(self, payload: dict[str, Any]) -> Mark:
        topic, data = payload["topic"], payload.get("data")
        if not isinstance(topic, str):
            raise ValueError("no frame of a topic")
        if topic.startswith("orderbook.") and isinstance(data, dict) and isinstance(data.get("seq"), int):
            is_start = payload.get("type") == "snapshot" and not topic.startswith("orderbook.1.")
            return Mark(topic, str(data["seq"]), is_start, data["seq"])
        if topic.startswith("publicTrade.") and isinstance(data, list) and data:
            last = data[-1] if isinstance(data[-1], dict) else {}
            seq = last.get("seq")
            return Mark(topic, str(last.get("i")), order=seq if isinstance(seq, int) else 0)
        return Mark(topic, "", is_start=True)

    def time_request(self) -> RestRequest:
        return RestRequest("/v5/market/time", 1)

    def _time(self, payload: dict[str, Any]) -> int:
        return int(payload["result"]["timeNano"])

    def listings_request(self, symbols: Sequence[str]) -> RestRequest:
        path = f"/v5/market/instruments-info?category={self.category}"
        if len(symbols) == 1:
            return RestRequest(f"{path}&symbol={symbols[0]}", 1)
        return RestRequest(path if self.category == "spot" else f"{path}&limit=1000", 1)

    def _listings(self, payload: dict[str, Any]) -> ListingPage:
        result = payload["result"]
        listings = tuple(_listing(item) for item in result["list"])
        cursor = percent_encoded(result.get("nextPageCursor") or "")
        more = self.listings_request(())
        return ListingPage(listings, RestRequest(f"{more.path}&cursor={cursor}", 1) if cursor else None)

    def touch_request(self, symbol: str) -> RestRequest:
        return RestRequest(f"/v5/market/orderbook?category={self.category}&symbol={symbol}&limit=1", 1)

    def _touch(self, payload: dict[str, Any]) -> tuple[float, float]:
        ((bid, *_), *_), ((ask, *_), *_) = payload["result"]["b"], payload["result"]["a"]
        return decimal(bid), decimal(ask)


def _listing(item: dict[str, Any]) -> Listing:
    lot, price = item["lotSizeFilter"], item["priceFilter"]
    # Spot has no qtyStep: its step is basePrecision, and minOrderAmt counts there.
    return Listing(
        symbol=listed_symbol(item["symbol"]),
        is_trading=item["status"] == "Trading",
        tick_size=listed_number(price["tickSize"], is_step=True),
        lot_size=listed_number(lot.get("qtyStep") or lot["basePrecision"], is_step=True),
        min_qty=listed_number(lot.get("minOrderQty")),
        min_notional=listed_number(lot.get("minNotionalValue") or lot.get("minOrderAmt")),
        closes_ms=int(item.get("deliveryTime") or 0),
    )
