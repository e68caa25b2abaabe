"""Fees: asset, amount and rate by venue, and locks that suffice for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sandbox_accounts import D, account, rules

from arb.sandbox.accounts.amounts import exact, padded, rounded
from arb.sandbox.accounts.fees import fee_of, lock_of
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.events import BUY, SELL


@pytest.fixture(autouse=True)
def _exact() -> Iterator[None]:
    with exact():
        yield


BNB = Modes(is_bnb_discount=True, fee_burn=True)


@pytest.mark.parametrize(
    ("venue", "maker", "rule", "side", "is_maker", "fee"),
    [
        # 0.5 BTC at 30,000: value 15,000.
        ("binance_spot", "0.001", {}, BUY, False, ("0.0005", "BTC", "0.001")),
        ("binance_spot", "0.001", {}, SELL, False, ("15", "USDT", "0.001")),
        ("binance_spot", "0.0002", {}, SELL, True, ("3", "USDT", "0.0002")),
        ("binance_spot", "0.001", {"asset": "quote"}, BUY, False, ("15", "USDT", "0.001")),
        ("binance_spot", "0.001", {"asset": "BNB"}, BUY, False, ("0.05", "BNB", "0.001")),
        ("binance_spot", "0.001", {"asset": "DOGE"}, BUY, False, ("0.0005", "BTC", "0.001")),
        ("binance_spot", "-0.0001", {}, BUY, True, ("-0.00005", "BTC", "-0.0001")),
        ("binance_usdm", "0.0002", {}, BUY, True, ("3", "USDT", "0.0002")),
        ("binance_usdm", "-0.0001", {}, SELL, True, ("-1.5", "USDT", "-0.0001")),
        ("bybit_spot", "0.001", {}, BUY, True, ("0.0005", "BTC", "0.001")),
        ("bybit_spot", "0.001", {}, SELL, True, ("15", "USDT", "0.001")),
        # A maker rate that is not positive swaps the assets of the maker only.
        ("bybit_spot", "0", {}, BUY, True, ("0", "USDT", "0")),
        ("bybit_spot", "-0.0001", {}, BUY, True, ("-1.5", "USDT", "-0.0001")),
        ("bybit_spot", "-0.0001", {}, SELL, True, ("-0.00005", "BTC", "-0.0001")),
        ("bybit_spot", "-0.0001", {}, BUY, False, ("0.0005", "BTC", "0.001")),
        ("bybit_linear", "0.0002", {}, SELL, True, ("3", "USDT", "0.0002")),
    ],
)
def test_fee_by_venue(
    venue: str, maker: str, rule: dict[str, str], side: int, is_maker: bool, fee: tuple[str, str, str]
) -> None:
    owner = account(venue, {"BNB": "1"}, maker=maker, **rule)
    price_of = {"BNB": D(300)}.get
    found = fee_of(owner, rules(venue), side, D("0.5"), D(15000), is_maker, price_of)
    assert found == (D(fee[0]), fee[1], D(fee[2]))


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
def test_bnb_pays_at_a_discount_while_it_suffices(venue: str) -> None:
    owner = account(venue, {"BNB": "0.0375"}, modes=BNB, bnb_factor=D("0.75"))
    wallet, rule = owner.wallet(venue), rules(venue)
    prices = {"BNB": D(300)}
    fee = fee_of(owner, rule, SELL, D("0.5"), D(15000), False, prices.get)
    assert fee == (D("0.0375"), "BNB", D("0.00075"))
    assert fee_of(owner, rule, SELL, D("0.5"), D(15000), False, {}.get) == (D(15), "USDT", D("0.001"))
    wallet.lock(1, "BNB", D("0.00000001"))
    assert fee_of(owner, rule, SELL, D("0.5"), D(15000), False, prices.get) == (D(15), "USDT", D("0.001"))


def test_credits_are_not_paid_in_bnb() -> None:
    owner = account("binance_spot", {"BNB": "1"}, modes=BNB, maker="-0.0001")
    fee = fee_of(owner, rules("binance_spot"), SELL, D("0.5"), D(15000), True, {"BNB": D(300)}.get)
    assert fee == (D("-1.5"), "USDT", D("-0.0001"))


def test_the_example_of_the_venue_is_rounded_half_up() -> None:
    owner = account("binance_spot", {}, taker="0.0000023")
    value = D("35000") * D("0.49975")
    fee = fee_of(owner, rules("binance_spot"), SELL, D("0.49975"), value, False, {}.get)
    assert fee[:2] == (D("0.04022988"), "USDT")


def test_locks_of_orders() -> None:
    rule, owner = rules("binance_spot"), account("binance_spot", {})
    assert lock_of(owner, rule, SELL, D("0.5"), D(30000)) == ("BTC", D("0.5"))
    assert lock_of(owner, rule, BUY, D("0.5"), D(30000)) == ("USDT", D(15000))
    quote = account("binance_spot", {}, asset="quote", maker="-0.0001")
    assert lock_of(quote, rule, BUY, D("0.5"), D(30000)) == ("USDT", D("15015.00001000"))
    assert lock_of(quote, rule, BUY, D(0), D(30000)) == ("USDT", D(0))


@pytest.mark.parametrize(("tick", "lot"), [("0.01", "0.00001"), ("0.00001", "0.0001")])
@given(
    lots=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    ticks=st.integers(1, 10**6),
    rate=st.integers(1, 99999),
)
def test_a_lock_pays_all_executions_with_fees_in_quote(
    tick: str, lot: str, lots: list[int], ticks: int, rate: int
) -> None:
    with exact():
        rule = rules("binance_spot", tick=tick, lot=lot)
        owner = account("binance_spot", {}, asset="quote", taker=f"0.{rate:07}")
        left, price = rule.quantity(sum(lots)), rule.price(ticks)
        _, locked = lock_of(owner, rule, BUY, left, price)
        for part in lots:
            quantity = rule.quantity(part)
            value = rounded(price * quantity)
            fee, _, _ = fee_of(owner, rule, BUY, quantity, value, False, {}.get)
            left -= quantity
            after = lock_of(owner, rule, BUY, left, price)[1]
            assert locked - after >= value + fee
            assert padded(after)
            locked = after
        assert locked == 0
