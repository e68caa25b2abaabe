"""The rules with which an instrument starts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from support.sandbox_accounts import VENUES, D, rules

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.matching.orders import Prevention


@pytest.mark.parametrize(
    ("venue", "figures"),
    [
        # minPrice, maxPrice, tick, minQty, maxQty, lot, maximum of market orders, minimum and maximum value, orders
        ("binance_spot", "0.10 1000000.00 0.10 0.001 9000.00000 0.001 100.0 5 9000000.00 200"),
        ("binance_usdm", "0.10 1000000.00 0.10 0.001 9000.00000 0.001 120.000 5 0 200"),
        ("bybit_spot", "0 0 0.10 0.001 83 0.001 41.5 5 0 500"),
        ("bybit_linear", "0.10 1999999.80 0.10 0.001 1190.000 0.001 500.000 5 0 500"),
    ],
)
def test_figures_keep_their_published_text(venue: str, figures: str) -> None:
    one = rules(venue)
    own = (one.min_price, one.max_price, one.tick, one.min_qty, one.max_qty, one.lot, one.max_market_qty)
    assert " ".join(map(str, (*own, one.min_notional, one.max_notional, one.max_orders))) == figures


@pytest.mark.parametrize("venue", VENUES)
def test_assets_and_prevention(venue: str) -> None:
    one = rules(venue, "ETHUSDC")
    assert (one.base, one.quote, one.settle) == ("ETH", "USDC", "" if one.is_spot else "USDC")
    assert one.default_prevention in one.preventions
    assert (Prevention.DECREMENT in one.preventions) == (venue == "binance_spot")
    assert bool(one.brackets) == (not one.is_spot) == (one.max_leverage > 1)


@pytest.mark.parametrize("venue", ["binance_usdm", "bybit_linear"])
def test_maintenance_is_continuous_over_the_brackets(venue: str) -> None:
    with exact():
        brackets = rules(venue).brackets
        assert brackets[0].floor == brackets[0].amount == 0
        for lower, upper in pairwise(brackets):
            assert lower.cap == upper.floor
            assert (
                lower.cap * lower.maintenance - lower.amount == lower.cap * upper.maintenance - upper.amount
            )


def test_the_bracket_of_a_value_and_the_limit_of_a_leverage() -> None:
    one = rules("binance_usdm")
    leverages = [one.bracket(D(value)).max_leverage for value in ("0", "49999.9", "50000", "600000", "1E+12")]
    assert leverages == [125, 125, 100, 50, 50]
    assert [one.position_limit(leverage) for leverage in (125, 101, 100, 50, 1, 126)] == [
        D(50000), D(50000), D(600000), D(20000000), D(20000000), D(0)
    ]  # fmt: skip
