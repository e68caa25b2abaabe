"""A gate over a spot and a perpetual leg that hedge each other, and requests for it."""

from __future__ import annotations

from typing import Any

from arb.risk.exposure import GateLeg
from arb.risk.gate import Gate, GateLimits, GateRequest
from arb.risk.rate_budget import RateBudget
from connectors.orders.limits import LimitKind, VenueLimit
from connectors.orders.model import Act
from connectors.units import SECOND

START_NS = 1_700_000_000 * SECOND
#: Tick 0.1, lot 0.001: 1000 lots at 10,000 ticks are 1000 of quote.
SPOT = GateLeg(
    "binance_spot", "binance_spot", 0, True, "BTC", "USDT", 0.1, 0.001, fee=0.001, notional_min=5.0
)
PERP = GateLeg(
    "bybit_linear", "bybit", 0, False, "BTC", "USDT", 0.1, 0.001, fee=0.0005, leverage=2.0, lots_min=2,
    position_max=5.0,
)  # fmt: skip
LIMITS = GateLimits(price_band_bps=50.0, max_notional=2_000.0, max_daily_notional=20_000.0)
TEN_S = 10 * SECOND


def gate(limits: GateLimits = LIMITS, *, most: int = 40, legs: tuple[GateLeg, ...] = (SPOT, PERP)) -> Gate:
    """Balances: 10,000 USDT and 3 BTC on spot, 5,000 USDT for the perpetual. most: orders in 10 s at a venue."""
    budgets = {leg.venue: RateBudget([VenueLimit(LimitKind.ORDERS, TEN_S, most)]) for leg in legs}
    made = Gate(legs, limits, budgets)
    made.exposure.set_balances("binance_spot", {"USDT": 10_000.0, "BTC": 3.0})
    made.exposure.set_balances("bybit", {"USDT": 5_000.0})
    return made


def request(
    leg: int = 0, side: int = 1, tick: int = 10_000, lots: int = 100, no: int = 1, **fields: Any
) -> GateRequest:
    """A new order at a touch of 9,999 and 10,000 ticks; its id is its number."""
    given = {"order_id": no, "bid": 9_999, "ask": 10_000, "act": Act.PLACE} | fields
    return GateRequest(leg=leg, request_no=no, side=side, tick=tick, lots=lots, **given)


def cancel(leg: int, no: int, order_id: int) -> GateRequest:
    return GateRequest(leg, Act.CANCEL, order_id, no, 1, 0, 0)


def executed(made: Gate, leg: int, order_id: int, now_ns: int, lots: int | None = None) -> None:
    """An open order is filled, whole or this much, at its price."""
    exposure = made.exposure
    order = exposure.states[leg].orders[order_id]
    done = order.lots if lots is None else lots
    exposure.executed(leg, order.side, order.tick, done, {}, now_ns)
    if done == order.lots:
        exposure.remove(leg, order_id)
    else:
        exposure.changed(leg, order_id, order.tick, order.lots - done, is_amended=False)


def held(made: Gate, leg: int, lots: int) -> Gate:
    """The gate with a position."""
    made.exposure.set_position(leg, lots)
    return made
