"""Checks of a new order against its instrument's rules. Each raises RefusalError; nothing is changed. Pure."""

from __future__ import annotations

from decimal import Decimal

from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.trading.requests import OrderKind, Place, Reason, RefusalError


def check_order(request: Place, rules: InstrumentRules, reference: Decimal | None) -> None:
    """Price, quantity and, where both are known, value of an order.

    reference: the price by which the value of a market order is judged; None: it is not.
    """
    if not rules.is_open:
        raise RefusalError(Reason.NOT_OPEN)
    if request.prevention is not None and request.prevention not in rules.preventions:
        raise RefusalError(Reason.PREVENTION_MODE)
    is_market = request.kind is OrderKind.MARKET
    if request.price is not None:
        check_price(request.price, rules)
    if request.quantity is not None:
        check_quantity(request.quantity, rules, is_market=is_market)
        price = reference if is_market else request.price
        if price is not None and not request.reduce_only:
            check_value(price * request.quantity, rules, is_market=is_market)
    elif request.quote_quantity is not None:
        check_value(request.quote_quantity, rules, is_market=True)


def check_price(price: Decimal, rules: InstrumentRules) -> None:
    """Bounds and step of a price."""
    if price <= 0 or price < rules.min_price:
        raise RefusalError(Reason.PRICE_BOUNDS, str(rules.min_price))
    if rules.max_price and price > rules.max_price:
        raise RefusalError(Reason.PRICE_BOUNDS, str(rules.max_price))
    if price % rules.tick:
        raise RefusalError(_finer(price, rules.tick, Reason.PRICE_PRECISION, Reason.PRICE_TICK))


def check_quantity(quantity: Decimal, rules: InstrumentRules, *, is_market: bool) -> None:
    """Bounds and step of a quantity."""
    if quantity <= 0 or quantity < rules.min_qty:
        raise RefusalError(Reason.QUANTITY_TOO_SMALL)
    if is_market and rules.max_market_qty and quantity > rules.max_market_qty:
        raise RefusalError(Reason.MARKET_QUANTITY_TOO_LARGE)
    if rules.max_qty and quantity > rules.max_qty:
        raise RefusalError(Reason.QUANTITY_TOO_LARGE)
    if quantity % rules.lot:
        raise RefusalError(_finer(quantity, rules.lot, Reason.QUANTITY_PRECISION, Reason.QUANTITY_STEP))


def check_value(value: Decimal, rules: InstrumentRules, *, is_market: bool) -> None:
    """Smallest and largest value; the largest one is of limit orders only."""
    if value < rules.min_notional:
        raise RefusalError(Reason.NOTIONAL_TOO_SMALL, str(rules.min_notional))
    if rules.max_notional and not is_market and value > rules.max_notional:
        raise RefusalError(Reason.NOTIONAL_TOO_LARGE)


def _finer(value: Decimal, step: Decimal, precision: Reason, multiple: Reason) -> Reason:
    """Which of two rules a value breaks: too many decimals, or no multiple of the step."""
    decimals = -int(value.normalize().as_tuple().exponent)
    return precision if decimals > -int(step.normalize().as_tuple().exponent) else multiple
