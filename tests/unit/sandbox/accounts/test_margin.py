"""Margin, liquidation and funding of positions: a model, with figures of the venues' samples where there are any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_accounts import D, Order, account, rules

from arb.sandbox.accounts.account import Account
from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.funding_payments import payment
from arb.sandbox.accounts.liquidation import Forced, closing_id, due, liquidation_price
from arb.sandbox.accounts.margin import Margin, margin_of, order_margin, order_values
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import InstrumentRules
from arb.sandbox.events import BUY, SELL

BOTH, LONG, SHORT = PositionSide
RULES = rules("binance_usdm")


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with exact():
        yield


def trader(*fills: tuple[PositionSide, str, str], usdt: str = "1000", **modes: object) -> Account:
    """An account of USD-M after fills: position side, signed quantity, price."""
    one = account("binance_usdm", {"USDT": usdt, "BTC": "0.5"}, modes=Modes(**modes))  # type: ignore[arg-type]
    for side, quantity, price in fills:
        one.positions.apply("BTCUSDT", side, D(quantity), D(price), 0)
    return one


def margin(
    one: Account, mark: str, *orders: Order, one_rules: InstrumentRules = RULES, **also: object
) -> Margin:
    return margin_of(
        one, one_rules.venue, {"BTCUSDT": one_rules}, lambda _: D(mark), order_values(orders), **also  # type: ignore[arg-type]
    )  # fmt: skip


def test_figures_are_rounded_as_in_the_venues_samples() -> None:
    """Source: USD-M "Position Information V3", COMPUSDT: 20 times leverage, maintenance 1 %."""
    one = rules("binance_usdm", lot="1.000")
    one.brackets = (one.brackets[-1].__class__(D(0), D("1E+9"), 20, D("0.01"), D(0)),)
    figures = margin(
        trader((SHORT, "-1.000", "70.92841"), is_hedge=True), "49.72023376", one_rules=one
    ).positions[0]
    assert figures.notional == D("-49.72023376")
    assert figures.unrealized == D("21.20817624")
    assert (figures.initial, figures.maintenance) == (D("2.48601168"), D("0.49720233"))


def test_a_cross_position_and_its_orders() -> None:
    one = trader((BOTH, "0.1", "40000"))
    found = margin(one, "41000", Order("BTCUSDT", BUY, BOTH, D("0.1"), D(39000)))
    assert (found.wallet, found.unrealized, found.initial) == (D(1000), D(100), D(205))
    # 4,100 in the first bracket.
    assert found.maintenance == D("16.4")
    assert found.order_margin == D(195)
    assert found.available == D(1000) + 100 - 205 - 195
    assert margin(one, "31000").available == 0


@pytest.mark.parametrize(
    ("side", "quantity", "price", "needed"),
    [
        (BUY, "0.1", "40000", "200"),
        # Sales up to twice the position change it without more margin.
        (SELL, "0.1", "40000", "0"),
        (SELL, "0.2", "40000", "0"),
        (SELL, "0.3", "40000", "200"),
    ],
)
def test_what_a_new_order_needs(side: int, quantity: str, price: str, needed: str) -> None:
    one = trader((BOTH, "0.1", "40000"))
    assert order_margin(one, RULES, side, BOTH, D(quantity), D(price)) == D(needed)


def test_orders_on_both_sides_need_margin_once() -> None:
    one = trader()
    bid = Order("BTCUSDT", BUY, BOTH, D("0.1"), D(40000))
    assert order_margin(one, RULES, SELL, BOTH, D("0.1"), D(41000), orders=order_values([bid])) == D(5)
    assert order_margin(one, RULES, BUY, BOTH, D("0.1"), D(39000), orders=order_values([bid])) == D(195)
    hedged = trader((LONG, "0.1", "40000"), is_hedge=True)
    assert order_margin(hedged, RULES, SELL, LONG, D("0.1"), D(41000)) == 0
    assert order_margin(hedged, RULES, SELL, SHORT, D("0.1"), D(41000)) == D(205)


@given(
    st.integers(-200, 200),
    st.lists(st.tuples(st.booleans(), st.integers(1, 100), st.integers(1, 9)), max_size=6),
)
def test_an_order_adds_what_its_margin_is(held: int, orders: list[tuple[bool, int, int]]) -> None:
    with exact():
        one = trader((BOTH, str(held), "40000")) if held else trader()
        placed: list[Order] = []
        for is_buy, quantity, price in orders:
            side, size, at = BUY if is_buy else SELL, D(quantity), D(price) * 20
            before = margin(one, "100", *placed).order_margin
            needed = order_margin(one, RULES, side, BOTH, size, at, mark=D(100), orders=order_values(placed))
            placed.append(Order("BTCUSDT", side, BOTH, size, at))
            assert before + needed == margin(one, "100", *placed).order_margin
            assert (
                margin(one, "100", *placed, placed[0]._replace(reduce_only=True)).order_margin
                == before + needed
            )


def test_isolated_margin_is_not_available_to_others() -> None:
    one = trader((BOTH, "0.1", "40000"), margin="isolated", leverage_default=10)
    found = margin(one, "39000")
    assert (found.cross_wallet, found.available, found.cross_unrealized) == (D(600), D(600), D(0))
    assert due(found) == []
    assert [position.symbol for position in due(margin(one, "36100"))] == ["BTCUSDT"]


def test_other_assets_count_in_multi_assets_mode_and_at_bybit() -> None:
    prices = {"BTC": D(40000)}.get
    assert margin(trader(), "1", price_of=prices).available == D(1000)
    assert margin(trader(is_multi_assets=True), "1", price_of=prices).available == D(21000)
    bybit, linear = account("bybit_linear", {"USDT": "1000", "BTC": "0.5", "XYZ": "9"}), rules("bybit_linear")
    bybit.wallet("bybit_spot").lock(1, "BTC", D("0.2"))
    bybit.wallet("bybit_spot").lock(2, "USDT", D(100))
    found = margin(bybit, "1", one_rules=linear, price_of=prices)
    assert (found.collateral, found.available) == (D(12000), D(12900))


@pytest.mark.parametrize(
    ("quantity", "is_isolated"), [("0.4", False), ("-4", False), ("4", False), ("0.4", True), ("-4", True)]
)
def test_a_position_is_due_at_its_liquidation_price(quantity: str, is_isolated: bool) -> None:
    one = trader(
        (BOTH, quantity, "40000"), margin="isolated" if is_isolated else "cross", leverage_default=50
    )
    found = margin(one, "40000")
    price = liquidation_price(found, found.positions[0], RULES)
    away = D("0.01") if quantity.startswith("-") else D("-0.01")
    assert due(margin(one, str(price + away)))
    assert not due(margin(one, str(price - away)))


def test_a_position_that_cannot_be_due_has_no_liquidation_price() -> None:
    found = margin(trader((BOTH, "0.01", "40000"), usdt="5000"), "40000")
    assert liquidation_price(found, found.positions[0], RULES) == 0
    empty = margin(trader(), "40000", Order("BTCUSDT", BUY, BOTH, D("0.1"), D(39000)))
    assert liquidation_price(empty, empty.positions[0], RULES) == 0
    assert due(empty) == []


def test_closing_orders_have_the_venues_ids() -> None:
    assert closing_id("binance", Forced.LIQUIDATION, 1700000000000) == "autoclose-1700000000000"
    assert closing_id("binance", Forced.ADL, 1) == "adl_autoclose"
    assert closing_id("bybit", Forced.LIQUIDATION, 1) is None


@pytest.mark.parametrize(
    ("quantity", "rate", "received"),
    [("0.3", "0.0001", "-1.2"), ("-0.3", "0.0001", "1.2"), ("0.3", "-0.0001", "1.2")],
)
def test_longs_pay_positive_funding(quantity: str, rate: str, received: str) -> None:
    position = trader((BOTH, quantity, "1")).positions.get("BTCUSDT", BOTH)
    assert payment(position, D(40000), D(rate)) == D(received)


def test_funding_has_8_decimals() -> None:
    position = trader((BOTH, "0.001", "1")).positions.get("BTCUSDT", BOTH)
    assert payment(position, D("40000.12345678"), D("0.00010050")) == D("-0.00402001")
