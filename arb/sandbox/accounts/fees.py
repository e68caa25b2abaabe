"""Fees of executions, and what an order on spot must lock so that all of its executions can be paid.

Sources: commission_faq.md of binance-spot-api-docs (read 2026-07-21), "Spot Fee Currency Instruction" in enum.mdx of
Bybit's documents (read 2026-07-24).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from arb.sandbox.accounts.amounts import PLACES, ZERO, divided, rounded
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY

if TYPE_CHECKING:
    from arb.sandbox.accounts.account import Account

#: The asset in which Binance's fees are discounted.
DISCOUNT_ASSET = "BNB"

#: Price of one unit of an asset in the instrument's quote asset; None: unknown.
PriceOf = Callable[[str], Decimal | None]


@dataclass(frozen=True)
class FeeRule:
    """Fee rates of an account at one venue. 0.001 is 0.1 %; a negative rate is a credit.

    asset: of spot: "received", "quote", or the name of an asset, used while it has a known price and enough is free.
    """

    maker: Decimal
    taker: Decimal
    asset: str = "received"
    #: Factor of fees that are paid in BNB with the account's discount.
    bnb_factor: Decimal = Decimal(1)
    places: int = PLACES
    rounding: str = ROUND_HALF_UP

    def rate(self, *, is_maker: bool) -> Decimal:
        return self.maker if is_maker else self.taker


def fee_of(
    account: Account,
    rules: InstrumentRules,
    side: int,
    quantity: Decimal,
    value: Decimal,
    is_maker: bool,
    price_of: PriceOf,
) -> tuple[Decimal, str, Decimal]:
    """(amount, asset, rate) of an execution, before it is posted. Positive amounts are paid, negative ones received.

    rate: after a discount. value: price times quantity, in quote units.
    """
    rule = account.fee_rules[rules.venue]
    rate = rule.rate(is_maker=is_maker)
    for asset, factor in _other_assets(account, rules, rule) if rate > 0 else ():
        price = price_of(asset)
        if price:
            amount = divided(value * rate * factor, price, rule.places, rule.rounding)
            if amount <= account.wallet(rules.venue).free(asset):
                return amount, asset, rate * factor
    if not rules.is_spot:
        return rounded(value * rate, rule.places, rule.rounding), rules.settle, rate
    is_base = side == BUY
    # Bybit charges a maker rate that is not positive in the asset that the order gave.
    if rules.venue == "bybit_spot" and is_maker and rule.maker <= 0:
        is_base = not is_base
    if rule.asset == "quote":
        is_base = False
    amount = rounded((quantity if is_base else value) * rate, rule.places, rule.rounding)
    return amount, rules.base if is_base else rules.quote, rate


def lock_of(
    account: Account, rules: InstrumentRules, side: int, quantity: Decimal, price: Decimal
) -> tuple[str, Decimal]:
    """(asset, amount) that an order on spot locks for `quantity` that is executed at `price` or better.

    With fees in quote a purchase also locks its largest fee, and two units of the last decimal per lot: the fee of each
    execution is rounded, what is left locked is too, and there are at most as many executions as lots.
    """
    if side != BUY:
        return rules.base, quantity
    return rules.quote, purchase_lock(account, rules, quantity, price * quantity)


def purchase_lock(account: Account, rules: InstrumentRules, quantity: Decimal, value: Decimal) -> Decimal:
    """What a purchase of this quantity and value locks in quote: the value, and fees that are paid in quote.

    Where tick times lot has more decimals than balances, the value of each execution is rounded: the lock leaves room
    for that as it does for fees.
    """
    if -_exponent(rules.tick) - _exponent(rules.lot) > PLACES:
        value = rounded(value, PLACES, ROUND_CEILING) + 2 * (quantity // rules.lot) * Decimal(1).scaleb(
            -PLACES
        )
    return value + _fee_lock(account, rules, quantity, value)


def _exponent(step: Decimal) -> int:
    return int(step.as_tuple().exponent)


def _fee_lock(account: Account, rules: InstrumentRules, quantity: Decimal, value: Decimal) -> Decimal:
    """What a purchase of this quantity and value locks for fees in quote; 0 if they are paid in another asset."""
    rule = account.fee_rules[rules.venue]
    rate = max(rule.maker, rule.taker)
    if rule.asset != "quote" or rate <= 0 or not quantity:
        return ZERO
    return rounded(value * rate, rule.places) + 2 * (quantity // rules.lot) * Decimal(1).scaleb(-rule.places)


def _other_assets(account: Account, rules: InstrumentRules, rule: FeeRule) -> list[tuple[str, Decimal]]:
    """Assets besides base, quote and settlement in which the fee may be paid, with the factor of each."""
    modes = account.modes
    is_discounted = {"binance_spot": modes.is_bnb_discount, "binance_usdm": modes.fee_burn}
    if is_discounted.get(rules.venue, False):
        return [(DISCOUNT_ASSET, rule.bnb_factor)]
    if rules.is_spot and rule.asset not in ("received", "quote"):
        return [(rule.asset, Decimal(1))]
    return []
