"""Plain price rules of the four markets, from the documents: reference price, price bands, execution range.

Readings:

1. Binance spot's reference price: sums of prices have 12 decimals (the quote's 8 and 4 more), counts have 4; expired
   parts are taken away by truncation; the quotient is truncated to 8 decimals (price_range_execution_rules.md). The
   window is 60 buckets of 1 s. A trade counts when its frame is sent, in the bucket of its own venue time.
2. Without a trade in the window there is no reference price; then the rules that need one do not apply.
3. USD-M: buy <= mark x up, sell >= mark x down (its PERCENT_PRICE); without a mark price no rule.
4. PERCENT_PRICE_BY_SIDE of Binance spot bounds both sides in both directions; without a reference price the last trade
   replaces the average of the last minutes.
5. Bybit (the formula is not public): buy <= reference x (1 + X), sell >= reference x (1 - X); reference: mark (linear),
   last trade (spot). A market order has the same bound as a limit for its executions.
"""

from __future__ import annotations

from decimal import Decimal

from support.reference_matcher import BUY

SECOND = 1_000_000_000
BUCKETS = 60


class ReferencePrice:
    """The moving average of trade prices that Binance's matching engine keeps."""

    def __init__(self) -> None:
        self.trades: list[tuple[int, Decimal]] = []

    def add(self, at_ns: int, price: Decimal) -> None:
        self.trades.append((at_ns, price))

    def at(self, now_ns: int) -> Decimal | None:
        """The average now; None without a trade in the window."""
        cutoff = now_ns - BUCKETS * SECOND
        self.trades = [one for one in self.trades if one[0] + SECOND > cutoff]
        sums: dict[int, int] = {}
        counts: dict[int, int] = {}
        for at_ns, price in self.trades:
            opened = at_ns // SECOND * SECOND
            if opened + SECOND <= cutoff:
                continue
            sums[opened] = sums.get(opened, 0) + int(price * 10**12)
            counts[opened] = counts.get(opened, 0) + 10**4
        total = count = 0
        for opened, amount in sums.items():
            expired = max(0, cutoff - opened)
            total += amount - amount * expired // SECOND
            count += counts[opened] - counts[opened] * expired // SECOND
        if count <= 0:
            return None
        return Decimal(total // count) / 10**8


def is_too_far(
    venue: str,
    side: int,
    price: Decimal,
    reference: Decimal | None,
    multipliers: tuple[Decimal, Decimal],
    ratio: Decimal,
) -> bool:
    """Whether a limit price is outside of the venue's band. multipliers: (up, down) of the order's side."""
    if reference is None:
        return False
    if venue.startswith("bybit"):
        bound = bybit_bound(side, reference, ratio)
        return bound is not None and (price > bound if side == BUY else price < bound)
    up, down = multipliers
    is_high, is_low = price > reference * up, price < reference * down
    if venue == "binance_usdm":
        return is_high if side == BUY else is_low
    return is_high or is_low


def bybit_bound(side: int, reference: Decimal | None, ratio: Decimal) -> Decimal | None:
    """The worst price of a Bybit order; None: no rule."""
    if reference is None or not ratio:
        return None
    return reference * (1 + ratio if side == BUY else 1 - ratio)


def range_bound(
    side: int,
    reference: Decimal | None,
    ranges: tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]] | None,
) -> Decimal | None:
    """The worst price at which a Binance spot taker may be executed; ranges: (up, down) of buys and of sells."""
    if reference is None or ranges is None:
        return None
    up, down = ranges[side]
    return reference * (up if side == BUY else down)
