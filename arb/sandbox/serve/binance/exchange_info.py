"""Binance's exchangeInfo for spot and USD-M, from the rules of the instruments. Pure.

Source: binance-spot-api-docs rest-api.md and filters.md (read 2026-07-21); USD-M market data endpoints (read
2026-10-23).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.matching.orders import Prevention
from arb.sandbox.serve.binance.errors import ApiError
from arb.sandbox.serve.binance.parameters import Parameters
from arb.sandbox.serve.rest import decimals_of


def exchange_info(
    rules: Iterable[InstrumentRules],
    weight_max: int,
    now_ms: int,
    order_limits: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The response. order_limits: of a sandbox with trading, whose symbols list what orders may be, too."""
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight_max}
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": [limit, *(order_limits or ())],
        "exchangeFilters": [],
        "symbols": [_symbol(one, order_limits is not None) for one in rules],
    }


def chosen_symbols(rules: Mapping[str, InstrumentRules], parameters: Parameters) -> list[str]:
    """The symbols that `symbol`, `symbols` or `symbolStatus` name; all without. Raises ApiError."""
    if len(parameters.values.keys() & {"symbol", "symbols", "symbolStatus"}) > 1:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    if parameters.values.get("symbol"):
        return [parameters.symbol(rules)]
    if "symbols" in parameters:
        try:
            names = msgspec.json.decode(parameters.values["symbols"], type=list[str])
        except msgspec.DecodeError:
            raise ApiError(-1135, "JSON sent for parameter 'symbols' is not valid") from None
        if not rules.keys() >= set(names):
            raise ApiError(-1121, "Invalid symbol.")
        return names
    is_open = parameters.choice("symbolStatus", {"TRADING": True, "HALT": False, "BREAK": False})
    return [] if is_open is False else [name for name, one in rules.items() if one.is_open or is_open is None]


def _symbol(rules: InstrumentRules, is_trading: bool) -> dict[str, Any]:
    return {
        "symbol": rules.symbol,
        "status": "TRADING" if rules.is_open else "CANCEL_ONLY" if rules.is_spot else "SETTLING",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "baseAssetPrecision": 8,
        **(_spot_part(rules) if rules.is_spot else _usdm_part(rules)),
        **(_SPOT_TRADING | _preventions(rules) if is_trading and rules.is_spot else {}),
    }


#: Of symbols on spot.
_SPOT_TRADING = {
    "baseCommissionPrecision": 8,
    "quoteCommissionPrecision": 8,
    "otoAllowed": False,
    "opoAllowed": False,
    "quoteOrderQtyMarketAllowed": True,
    "allowTrailingStop": False,
    "cancelReplaceAllowed": True,
    "amendAllowed": True,
    "pegInstructionsAllowed": False,
}


def _preventions(rules: InstrumentRules) -> dict[str, Any]:
    return {
        "defaultSelfTradePreventionMode": rules.default_prevention.name,
        "allowedSelfTradePreventionModes": [one.name for one in Prevention if one in rules.preventions],
    }


def _text(value: Decimal) -> str:
    return format(value, "f")


def _spot_part(rules: InstrumentRules) -> dict[str, Any]:
    """Fields of a symbol that only spot has."""
    price, lot = _steps(rules)
    return {
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "filters": [
            price,
            {"filterType": "LOT_SIZE", **lot},
            # A step of 0: the LOT_SIZE filter applies.
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.0",
                "maxQty": _text(rules.max_market_qty),
                "stepSize": "0.0",
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": _text(rules.min_notional),
                "applyMinToMarket": True,
                "maxNotional": _text(rules.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": _text(rules.bid_multipliers[0]),
                "bidMultiplierDown": _text(rules.bid_multipliers[1]),
                "askMultiplierUp": _text(rules.ask_multipliers[0]),
                "askMultiplierDown": _text(rules.ask_multipliers[1]),
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_orders},
        ],
    }


def _usdm_part(rules: InstrumentRules) -> dict[str, Any]:
    """Fields of a symbol that only USD-M has."""
    price, lot = _steps(rules)
    return {
        "pair": rules.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": rules.closes_ms or 4133404800000,
        "onboardDate": 1569398400000,
        "marginAsset": rules.settle,
        "quotePrecision": 8,
        # For display, and coarser or finer than the steps: clients must not round by them.
        "pricePrecision": decimals_of(rules.listing.tick_size) + 1,
        "quantityPrecision": decimals_of(rules.listing.lot_size),
        "underlyingType": "COIN",
        "triggerProtect": "0.0500",
        "liquidationFee": _text(rules.liquidation_fee),
        "marketTakeBound": "0.05",
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "filters": [
            price,
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot, "maxQty": _text(rules.max_market_qty)},
            {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_orders},
            {"filterType": "MIN_NOTIONAL", "notional": _text(rules.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": _text(rules.bid_multipliers[0]),
                "multiplierDown": _text(rules.bid_multipliers[1]),
                "multiplierDecimal": "4",
            },
        ],
    }


def _steps(rules: InstrumentRules) -> tuple[dict[str, str], dict[str, str]]:
    """The price filter, and the fields of a quantity filter."""
    price = {
        "filterType": "PRICE_FILTER",
        "minPrice": _text(rules.min_price),
        "maxPrice": _text(rules.max_price),
        "tickSize": rules.listing.tick_size,
    }
    lot = {
        "minQty": _text(rules.min_qty),
        "maxQty": _text(rules.max_qty),
        "stepSize": rules.listing.lot_size,
    }
    return price, lot
