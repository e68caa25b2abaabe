"""Which limits left an attempt smaller than the least order, before the first fill: the rules of the strategy's sizing.

The account is what the run began with, so each limit is a quantity at the prices of the largest edge. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from arb.results.no_trades.edges import Way
from arb.results.no_trades.settings import Setting, Settings

#: How many fees of an order an attempt keeps of a further fee asset, as in `arb.strategies.spread.sizing`.
FEES_KEPT = 3.0
#: A quotient this close below a whole number of lots is one.
_ROOM = 1e-9


class Cap(NamedTuple):
    """A limit: the quantity that it allows, in base units, and what sets it; more than one if each would have to be
    larger. words: instead of a setting."""

    qty: float
    settings: tuple[Setting, ...]
    words: str = ""

    def __str__(self) -> str:
        named = " and ".join(map(str, self.settings)) or self.words
        return f"{named} allow{'s' if len(self.settings) < 2 else ''} {self.qty:.6g}"


class Least(NamedTuple):
    """The least order of both venues, and the setting that makes it so large."""

    qty: float
    setting: Setting

    def __str__(self) -> str:
        return f"the least order of both venues is {self.qty:.6g} ({self.setting})"


def least_order(way: Way, settings: Settings) -> Least:
    """The least order of a direction."""
    slippage = settings.number("slippage_tolerance")
    lot = settings.number("common_lot", way.buy)
    coarsest = max((way.buy, way.sell), key=lambda leg_no: settings.instrument(leg_no, "lot_size").value)
    needs = [Least(lot, settings.instrument(coarsest, "lot_size"))]
    for leg_no, price in ((way.buy, way.buy_px), (way.sell, way.sell_px * (1.0 - slippage))):
        value = price * settings.number("contract_size", leg_no)
        needs += [
            Least(
                settings.number("min_notional", leg_no) / value, settings.instrument(leg_no, "min_notional")
            ),
            Least(settings.number("min_qty", leg_no), settings.instrument(leg_no, "min_qty")),
        ]
    largest = max(needs, key=lambda need: need.qty)
    return largest._replace(qty=math.ceil(largest.qty / lot - _ROOM) * lot)


def too_small(way: Way, settings: Settings, least: Least) -> list[Cap]:
    """The limits that allow less than the least order, the tightest first."""
    lot = settings.number("common_lot", way.buy)
    caps = [cap for cap in _caps(way, settings, least) if math.floor(cap.qty / lot + _ROOM) * lot < least.qty]
    return sorted(caps, key=lambda cap: cap.qty)


def _caps(way: Way, settings: Settings, least: Least) -> Iterator[Cap]:
    yield _own(settings, "strategy", "max_position_size", way.buy)
    for leg_no in (way.buy, way.sell):
        yield _own(settings, "risk", "position_limit", leg_no)
    yield _displayed(way, settings, least)
    yield from _order_limits(way, settings)
    yield _bought(way, settings, least)
    yield _sold(way, settings, least)
    for leg_no, price in ((way.buy, way.buy_px), (way.sell, way.sell_px)):
        units = settings.fee_units(leg_no)
        if units is not None:
            fee = FEES_KEPT * settings.number("taker_fee", leg_no) * price
            value = float(units.value) * settings.number("fee_price", leg_no)
            yield Cap(value / (fee * settings.number("contract_size", leg_no)), (units,))


def _own(settings: Settings, section: str, name: str, leg_no: int) -> Cap:
    setting = settings.of_symbol(leg_no, section, name)
    return Cap(float(setting.value), (setting,))


def _displayed(way: Way, settings: Settings, least: Least) -> Cap:
    share = settings.of("execution.touch_share")
    qty = float(share.value) * way.shown
    if way.shown >= least.qty:
        return Cap(qty, (share,))
    return Cap(qty, (), "the quantity that both touches showed")


def _order_limits(way: Way, settings: Settings) -> Iterator[Cap]:
    """Those of one order; 0 is no limit."""
    price = max(
        way.buy_px
        * (1.0 + settings.number("slippage_tolerance"))
        * settings.number("contract_size", way.buy),
        way.sell_px * settings.number("contract_size", way.sell),
    )
    for name, unit in (("max_order_qty", 1.0), ("max_order_notional", price)):
        setting = settings.of(f"risk.{name}")
        if float(setting.value) > 0.0:
            yield Cap(float(setting.value) / unit, (setting,))


def _bought(way: Way, settings: Settings, least: Least) -> Cap:
    """What the buying leg can pay for."""
    price = way.buy_px * (1.0 + settings.number("slippage_tolerance"))
    return _paid(way.buy, price, settings, least)


def _sold(way: Way, settings: Settings, least: Least) -> Cap:
    """What the selling leg owns, or has margin for."""
    if not settings.is_spot(way.sell):
        return _paid(way.sell, way.sell_px, settings, least)
    base = settings.capital(way.sell, "base")
    return _of_capital(float(base.value), base, settings, least)


def _paid(leg_no: int, price: float, settings: Settings, least: Least) -> Cap:
    cost = price * settings.number("contract_size", leg_no) * (1.0 + settings.number("taker_fee", leg_no))
    quote = settings.capital(leg_no, "quote")
    owned = float(quote.value) / cost
    if settings.is_spot(leg_no):
        return _of_capital(owned, quote, settings, least)
    leverage = settings.of("risk.max_leverage")
    cap = _of_capital(owned * float(leverage.value), quote, settings, least)
    # Without leverage it would be enough: then the leverage is what is too small.
    is_lowered = float(leverage.value) < 1.0 and owned * settings.number("capital_allocation") >= least.qty
    return cap._replace(settings=(leverage,)) if is_lowered else cap


def _of_capital(owned: float, capital: Setting, settings: Settings, least: Least) -> Cap:
    """What may be used of an account's quantity `owned`."""
    share = settings.of("risk.capital_allocation")
    qty = owned * float(share.value)
    return Cap(qty, (share,) if owned >= least.qty else (capital,))
