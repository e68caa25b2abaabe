"""Bybit's public REST endpoints: orderbook, instruments-info, tickers, funding history. Pure.

With trading, both addresses serve both categories, since clients have one base address; inverse and option have no
instruments. Source: bybit-exchange/docs v5 `market/{orderbook,instrument,tickers,history-fund-rate}.mdx`,
`system-status.mdx` (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from arb.sandbox.accounts.amounts import divided, plain
from arb.sandbox.accounts.rules import Facts, InstrumentRules, rules_of
from arb.sandbox.serve.bybit import errors
from arb.sandbox.serve.bybit.errors import RequestError, parameter_error
from arb.sandbox.serve.bybit.instrument import BybitInstrument
from arb.sandbox.serve.bybit.parameters import CATEGORIES, EMPTY_CATEGORIES, Fields
from arb.sandbox.serve.exchange import Exchange
from arb.sandbox.serve.rest import decimals_of, json_text
from connectors.units import MILLISECOND

_DEPTH_MAX = 1000
_DEPTH_DEFAULT = {"spot": 1, "linear": 25}
#: Fields of a ticker that this sandbox does not know, or that are of futures with a delivery.
_LINEAR_BLANKS = (
    "prevPrice1h", "openInterest", "openInterestValue", "predictedDeliveryPrice", "basisRate", "deliveryFeeRate",
    "basis", "preOpenPrice", "preQty", "curPreListingPhase", "basisRateYear", "fundingCap",
)  # fmt: skip
_TICKER = (
    "lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h", "turnover24h", "volume24h", "bid1Price", "bid1Size",
    "ask1Price", "ask1Size",
)  # fmt: skip
_LINEAR = ("indexPrice", "markPrice", "fundingRate", "nextFundingTime")


class Market:
    """The public endpoints at one address. Methods raise RequestError."""

    def __init__(self, exchange: Exchange, facts: Mapping[str, Facts]) -> None:
        self._exchange = exchange
        self._facts = facts
        self._own = exchange.venue.removeprefix("bybit_")
        self.endpoints = {
            "/v5/market/orderbook": self.orderbook,
            "/v5/market/instruments-info": self.instruments,
            "/v5/market/tickers": self.tickers,
            "/v5/market/funding/history": self.funding,
            "/v5/system/status": self.status,
        }

    def status(self, fields: Fields, now_ms: int) -> str:
        """The `result` of GET /v5/system/status: announced maintenance, of which each symbol is one here."""
        rows = [
            {
                "id": f"{category}-{symbol}-{begin_ms}", "title": f"maintenance of {symbol}",
                "state": "scheduled" if now_ms < begin_ms else "ongoing", "begin": str(begin_ms), "end": str(end_ms),
                "href": "", "serviceTypes": [1, 2, 3, 4, 5], "product": [1 if category == "linear" else 2],
                "uidSuffix": [], "maintainType": 1, "env": 1,
            }
            for category in CATEGORIES
            for symbol, rules in self._rules(category).items()
            if rules.maintenance_ms is not None
            for begin_ms, end_ms in [rules.maintenance_ms]
        ]  # fmt: skip
        return json_text({"list": rows})

    def orderbook(self, fields: Fields, now_ms: int) -> str:
        """The `result` of GET /v5/market/orderbook, as JSON."""
        category = self._category(fields)
        instrument = self._instruments(category).get(fields.text("symbol"))
        if instrument is None:
            raise RequestError(errors.PARAMETER, "Not supported symbols")
        text = instrument.depth(fields.integer("limit", _DEPTH_DEFAULT[category], 1, _DEPTH_MAX))
        if text is None:
            raise RequestError(errors.SERVER, "Server error: this book is not known yet")
        return text

    def instruments(self, fields: Fields, now_ms: int) -> str:
        """The `result` of GET /v5/market/instruments-info."""
        category = self._category(fields)
        symbol, status = fields.text("symbol"), fields.text("status", "Trading")
        found = [
            _instrument(rules)
            for rules in self._rules(category).values()
            if symbol in ("", rules.symbol) and status == ("Trading" if rules.is_open else "Closed")
        ]
        return json_text({"category": category, "list": found, "nextPageCursor": ""})

    def tickers(self, fields: Fields, now_ms: int) -> str:
        """The `result` of GET /v5/market/tickers."""
        category = self._category(fields)
        symbol = fields.text("symbol")
        rows = [
            self._ticker(category, instrument, now_ms)
            for name, instrument in self._instruments(category).items()
            if symbol in ("", name)
        ]
        if symbol and not rows:
            raise RequestError(errors.PARAMETER, "Not supported symbols")
        return json_text({"category": category, "list": rows})

    def funding(self, fields: Fields, now_ms: int) -> str:
        """The `result` of GET /v5/market/funding/history, newest first.

        Of a recorded market, whose tickers have the rates, nothing is known of the past.
        """
        category = self._category(fields)
        if category == "spot":
            raise parameter_error("category must be linear or inverse")
        start = fields.time("startTime")
        if start is not None and not fields.has("endTime"):
            raise parameter_error("endTime is required with startTime")
        end = min(fields.integer("endTime", now_ms, 0, 10**14), now_ms)
        limit = fields.integer("limit", 200, 1, 200)
        symbol = fields.text("symbol", None)
        instrument = self._instruments(category).get(symbol)
        if instrument is None:
            raise RequestError(errors.PARAMETER, "Not supported symbols")
        rows: list[dict[str, str]] = []
        if instrument.is_derived(f"tickers.{symbol}"):
            funding = instrument.derived.funding
            at_ms = end // funding.interval_ms * funding.interval_ms
            while len(rows) < limit and at_ms > 0 and at_ms >= (start or 0):
                rate = funding.rate(at_ms - 1)
                rows.append({"symbol": symbol, "fundingRate": rate, "fundingRateTimestamp": str(at_ms)})
                at_ms -= funding.interval_ms
        return json_text({"category": category, "list": rows})

    def _category(self, fields: Fields) -> str:
        if self._exchange.trading is None:
            if fields.values.get("category") != self._own:
                raise parameter_error(f"this address serves category={self._own} only")
            return self._own
        return fields.category(takes_empty=True)

    def _of(self, category: str) -> Exchange | None:
        if category == self._own:
            return self._exchange
        return self._exchange.venues.get(f"bybit_{category}")

    def _instruments(self, category: str) -> dict[str, BybitInstrument]:
        exchange = self._of(category)
        found = exchange.instruments if exchange else {}
        return {name: one for name, one in found.items() if isinstance(one, BybitInstrument)}

    def _rules(self, category: str) -> dict[str, InstrumentRules]:
        if category in EMPTY_CATEGORIES:
            return {}
        trading = self._exchange.trading
        if trading is not None and category in CATEGORIES:
            desk = trading.desks[f"bybit_{category}"]
            return {symbol: instrument.rules for symbol, instrument in desk.instruments.items()}
        return {one.symbol: rules_of(one, self._facts[one.symbol]) for one in self._exchange.listings}

    def _ticker(self, category: str, instrument: BybitInstrument, now_ms: int) -> dict[str, str]:
        symbol = instrument.listing.symbol
        known = instrument.derived.ticker(now_ms)
        if (trading := self._exchange.trading) is not None:
            traded = trading.desks[f"bybit_{category}"].instruments[symbol]
            if traded.mark_price is not None:
                known["markPrice"] = plain(traded.mark_price)
            if traded.funding_rate is not None:
                known["fundingRate"] = plain(traded.funding_rate)
                known["nextFundingTime"] = str(traded.next_funding_ns // MILLISECOND)
        names = _TICKER if category == "spot" else _TICKER + _LINEAR
        row = {"symbol": symbol} | {name: known.get(name, "") for name in names}
        before, last = row["prevPrice24h"], row["lastPrice"]
        row["price24hPcnt"] = _share(Decimal(last), Decimal(before)) if before and last else ""
        if category == "spot":
            return row | {"usdIndexPrice": ""}
        interval = instrument.derived.funding.interval_ms // 3_600_000
        return (
            row
            | dict.fromkeys(_LINEAR_BLANKS, "")
            | {
                "deliveryTime": "0",
                "fundingIntervalHour": str(interval),
            }
        )


def _share(last: Decimal, before: Decimal) -> str:
    return plain(divided(last - before, before, 6))


def _instrument(rules: InstrumentRules) -> dict[str, Any]:
    tick, lot = rules.listing.tick_size, rules.listing.lot_size
    status = "Trading" if rules.is_open else "Closed"
    common = {"symbol": rules.symbol, "status": status, "baseCoin": rules.base, "quoteCoin": rules.quote}
    min_qty, min_value = f"{rules.min_qty:f}", f"{rules.min_notional:f}"
    max_qty, max_market = f"{rules.max_qty:f}", f"{rules.max_market_qty:f}"
    risk = {
        "priceLimitRatioX": f"{rules.price_limit_x:f}",
        "priceLimitRatioY": f"{rules.price_limit_y:f}",
    }
    if rules.is_spot:
        return common | {
            "innovation": "0",
            "marginTrading": "none",
            # Spot has no qtyStep: the step is basePrecision.
            "lotSizeFilter": {
                "basePrecision": lot,
                "quotePrecision": "0.0000001",
                "minOrderQty": min_qty,
                "minOrderAmt": min_value,
                "maxLimitOrderQty": max_qty,
                "maxMarketOrderQty": max_market,
                "postOnlyMaxLimitOrderSize": "60000",
            },
            "priceFilter": {"tickSize": tick},
            "riskParameters": risk,
        }
    return common | {
        "contractType": "LinearPerpetual",
        "settleCoin": rules.settle,
        "launchTime": "1585526400000",
        "deliveryTime": str(rules.closes_ms),
        "deliveryFeeRate": "",
        "priceScale": str(decimals_of(tick)),
        "fundingInterval": 480,
        "unifiedMarginTrade": True,
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{rules.max_leverage}.00",
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": f"{rules.min_price:f}",
            "maxPrice": f"{rules.max_price:f}",
            "tickSize": tick,
        },
        "lotSizeFilter": {
            "maxOrderQty": max_qty,
            "minOrderQty": min_qty,
            "qtyStep": lot,
            "maxMktOrderQty": max_market,
            "postOnlyMaxOrderQty": max_qty,
            "minNotionalValue": min_value,
        },
        "riskParameters": risk,
    }
