"""Prices that rules of orders refer to, and the bounds that follow from them. Pure.

Binance spot's reference price is a moving average of trades. Source: binance-spot-api-docs
faqs/price_range_execution_rules.md and filters.md (read 2026-07-21). Bybit's price limits: bybit docs
account/get-user-setting-config.mdx (read 2026-07-24); with an index price that equals the reference price and without a
premium, they are the reference price times 1 + X for buys and 1 - X for sells.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import NamedTuple

from arb.sandbox.accounts.amounts import ZERO, divided
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY
from arb.sandbox.trading.requests import Reason
from connectors.units import SECOND

#: Decimals of a reference price.
_PLACES = 8


class _Bucket(NamedTuple):
    number: int
    trades: int
    total: Decimal


class ReferencePrice:
    """A moving average of trade prices over buckets of time; the oldest bucket counts by its share in the window."""

    def __init__(self, bucket_ns: int = SECOND, buckets: int = 60) -> None:
        """Width and number of the buckets, which are not documented for any symbol: configurable."""
        self._bucket_ns = bucket_ns
        self._window_ns = bucket_ns * buckets
        self._buckets: deque[_Bucket] = deque()
        #: Trades of all buckets, and the sum of their prices.
        self._trades, self._total = 0, ZERO

    def add(self, price: Decimal, at_ns: int) -> None:
        """A public trade."""
        no = at_ns // self._bucket_ns
        last = self._buckets[-1] if self._buckets else None
        if last is not None and last.number >= no:
            self._buckets[-1] = _Bucket(last.number, last.trades + 1, last.total + price)
        else:
            self._buckets.append(_Bucket(no, 1, price))
        self._trades, self._total = self._trades + 1, self._total + price
        self._drop(at_ns)

    def value(self, now_ns: int) -> Decimal | None:
        """The reference price; None without trades in the window."""
        self._drop(now_ns)
        if not self._buckets:
            return None
        first = self._buckets[0]
        expired_ns = max(0, now_ns - self._window_ns - first.number * self._bucket_ns)
        # In units of 1 / bucket_ns of a trade, so that shares are whole numbers.
        count = Decimal(self._trades * self._bucket_ns - first.trades * expired_ns)
        total = self._total * self._bucket_ns - first.total * expired_ns
        return divided(total, count, _PLACES, "ROUND_DOWN") if count else None

    def _drop(self, now_ns: int) -> None:
        cutoff_ns = now_ns - self._window_ns
        while self._buckets and (self._buckets[0].number + 1) * self._bucket_ns <= cutoff_ns:
            oldest = self._buckets.popleft()
            self._trades, self._total = self._trades - oldest.trades, self._total - oldest.total


def price_refusal(
    rules: InstrumentRules, side: int, price: Decimal, reference: Decimal | None
) -> Reason | None:
    """Why a limit price is too far from the reference price (PERCENT_PRICE filters, Bybit's price limits)."""
    if reference is None:
        return None
    is_buy = side == BUY
    if rules.price_limit_x:
        if is_buy and price > reference * (1 + rules.price_limit_x):
            return Reason.BUY_PRICE_TOO_HIGH
        if not is_buy and price < reference * (1 - rules.price_limit_x):
            return Reason.SELL_PRICE_TOO_LOW
        return None
    up, down = rules.bid_multipliers if is_buy else rules.ask_multipliers
    # USD-M bounds buys from above and sells from below only (its common definitions, "PERCENT_PRICE").
    if not rules.is_spot:
        up, down = (up, ZERO) if is_buy else (ZERO, down)
    if up and price > reference * up:
        return Reason.BUY_PRICE_TOO_HIGH if is_buy else Reason.SELL_PRICE_TOO_HIGH
    if down and price < reference * down:
        return Reason.BUY_PRICE_TOO_LOW if is_buy else Reason.SELL_PRICE_TOO_LOW
    return None


def execution_bound(
    rules: InstrumentRules, side: int, reference: Decimal | None, *, is_market: bool
) -> int | None:
    """The worst tick at which a taking order may be executed; None: no rule.

    Binance spot: the price range of all orders. Others: market orders only, within the bounds of limit prices.
    """
    if reference is None:
        return None
    is_buy = side == BUY
    if rules.execution_range is not None:
        up, down = rules.execution_range[0 if is_buy else 1]
        factor = up if is_buy else down
    elif not is_market:
        return None
    elif rules.price_limit_x:
        factor = 1 + rules.price_limit_x if is_buy else 1 - rules.price_limit_x
    else:
        factor = rules.bid_multipliers[0] if is_buy else rules.ask_multipliers[1]
    if not factor:
        return None
    ticks, rest = divmod(reference * factor, rules.tick)
    return int(ticks) if is_buy or rest == ZERO else int(ticks) + 1
