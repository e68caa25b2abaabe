"""Mark prices and funding of USD-M by REST. Pure.

Sources: the saved pages of "Market Data" (openxapi e2791e4, read 2025-11). The index price is the mark price.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from arb.sandbox.accounts.amounts import ZERO
from arb.sandbox.serve.binance.api import Act, Call, Operation, Security
from arb.sandbox.serve.binance.usdm.words import money
from arb.sandbox.trading.instrument import Instrument

#: Rate of interest in the funding rate of most symbols.
_INTEREST = "0.00010000"
_HOUR_MS = 3_600_000
_USUAL_HOURS = 8
#: Bounds of the adjusted funding rate.
_RATE_MAX = "0.02000000"


def _premium_index(call: Call) -> Act:
    symbol = call.parameters.optional_symbol(call.api.desk.instruments)
    clock = call.api.exchange.venue_ms

    def row(name: str, one: Instrument, at_ns: int) -> dict[str, Any]:
        mark = money(one.mark or ZERO)
        return {
            "symbol": name,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": money(one.funding_rate or ZERO),
            "interestRate": _INTEREST,
            "nextFundingTime": clock(one.next_funding_ns),
            "time": clock(at_ns),
        }

    def act(at_ns: int) -> Any:
        instruments = call.api.desk.instruments
        if symbol is not None:
            return row(symbol, instruments[symbol], at_ns)
        return [row(name, one, at_ns) for name, one in instruments.items()]

    return act


def _funding_rates(call: Call) -> Act:
    """Past rates by the schedule of the sandbox's funding, oldest first; marks of the past are not kept."""
    parameters, exchange = call.parameters, call.api.exchange
    symbol = parameters.optional_symbol(call.api.desk.instruments)
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    limit = parameters.limit(100)

    def act(at_ns: int) -> Any:
        now_ms = exchange.venue_ms(at_ns)
        rows: list[dict[str, Any]] = []
        for name, one in exchange.instruments.items():
            if symbol not in (None, name):
                continue
            funding = one.funding
            last_ms = min(now_ms, now_ms if end_ms is None else end_ms)
            paid_ms = last_ms // funding.interval_ms * funding.interval_ms
            if start_ms is not None:
                first_ms = -(-start_ms // funding.interval_ms) * funding.interval_ms
                paid_ms = min(paid_ms, first_ms + (limit - 1) * funding.interval_ms)
            count = 0
            while count < limit and paid_ms >= (start_ms or 0):
                rate = money(Decimal(funding.rate(paid_ms - 1)))
                rows.append({"symbol": name, "fundingRate": rate, "fundingTime": paid_ms, "markPrice": ""})
                paid_ms -= funding.interval_ms
                count += 1
        rows.sort(key=lambda row: row["fundingTime"])
        return rows[:limit] if start_ms is not None else rows[-limit:]

    return act


def _funding_info(call: Call) -> Act:
    """Symbols whose interval is not the usual one."""
    rows = []
    for symbol, one in call.api.exchange.instruments.items():
        hours = one.funding.interval_ms // _HOUR_MS
        if hours and hours != _USUAL_HOURS:
            rows.append(
                {
                    "symbol": symbol,
                    "adjustedFundingRateCap": _RATE_MAX,
                    "adjustedFundingRateFloor": f"-{_RATE_MAX}",
                    "fundingIntervalHours": hours,
                    "disclaimer": False,
                }
            )
    return lambda _: rows


#: By REST method and path. The page names a limit of requests instead of a weight for the last two.
PRICE_OPERATIONS = {
    ("GET", "/fapi/v1/premiumIndex"): Operation(
        _premium_index, lambda parameters: 1 if "symbol" in parameters else 10, Security.NONE, "symbol"
    ),
    ("GET", "/fapi/v1/fundingRate"): Operation(
        _funding_rates, 0, Security.NONE, "symbol startTime endTime limit"
    ),
    ("GET", "/fapi/v1/fundingInfo"): Operation(_funding_info, 0, Security.NONE),
}
