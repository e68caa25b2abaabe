"""The plain reference exchange against the examples of the venues' documents, so that it may judge the sandbox.

Sources: stp_faq.md, commission_faq.md, order_amend_keep_priority.md, price_range_execution_rules.md of
binance-spot-api-docs a5e0bc3; enum.mdx and smp.mdx of bybit-exchange/docs 072c197; nopartialfillexchange.rs of
hftbacktest 2.4.4.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.reference_accounts import Fees, Position, Wallet, fee_of, funding_payment, lock_of_buy
from support.reference_matcher import (
    BUY,
    SELL,
    Ended,
    Filled,
    Outcome,
    ReferenceLevels,
    Resting,
    Row,
    Stopped,
)
from support.reference_prices import SECOND, ReferencePrice
from support.reference_whole import ReferenceWhole


def order(
    no: int,
    side: int,
    quantity: str,
    price: str | None,
    mode: str = "NONE",
    force: str = "GTC",
    account: str = "main",
    group: int = -1,
) -> Resting:
    return Resting(
        no, account, group, side, force, None if price is None else Decimal(price), Decimal(quantity), mode
    )


def level(side: int, price: str, quantity: str, at_ns: int = 0) -> Row:
    return Row("level", side, Decimal(price), Decimal(quantity), at_ns)


def trade(aggressor: int, price: str, quantity: str, at_ns: int = 0) -> Row:
    return Row("trade", aggressor, Decimal(price), Decimal(quantity), at_ns)


def shown(outcomes: list[Outcome]) -> list[tuple[object, ...]]:
    """Fills as (no, price, quantity, "maker" or "taker"), ends as (no, reason), preventions as (taker, maker)."""
    lines: list[tuple[object, ...]] = []
    for one in outcomes:
        if isinstance(one, Filled):
            lines.append(
                (one.order.no, str(one.price), str(one.quantity), "maker" if one.is_maker else "taker")
            )
        elif isinstance(one, Ended):
            lines.append((one.order.no, one.reason))
        else:
            lines.append((one.taker.no, one.maker.no))
    return lines


MAKERS = [("1.2", "1.2"), ("1.3", "1.1"), ("8.1", "1")]


@pytest.mark.parametrize(
    ("scenario", "makers", "taker", "mode", "outcomes", "prevented", "resting"),
    [
        ("A", [("1", "1")], ("1", "1"), "NONE", [(9, "1", "1", "taker"), (1, "1", "1", "maker")], {}, []),
        (
            "B",
            MAKERS,
            ("3", "1"),
            "EXPIRE_MAKER",
            [(9, 1), (1, "PREVENTED"), (9, 2), (2, "PREVENTED"), (9, 3), (3, "PREVENTED")],
            {1: "1.2", 2: "1.3", 3: "8.1"},
            [9],
        ),
        ("C", MAKERS, ("3", "1"), "EXPIRE_TAKER", [(9, 1), (9, "PREVENTED")], {9: "3"}, [1, 2, 3]),
        (
            "D",
            [("1", "1")],
            ("3", "1"),
            "EXPIRE_BOTH",
            [(9, 1), (1, "PREVENTED"), (9, "PREVENTED")],
            {1: "1", 9: "3"},
            [],
        ),
        (
            "F",
            [("1", "1")],
            ("1", None),
            "EXPIRE_MAKER",
            [(9, 1), (1, "PREVENTED"), (9, "NO_LIQUIDITY")],
            {1: "1"},
            [],
        ),
        ("G", [("6", "2")], ("2", "2"), "DECREMENT", [(9, 1), (9, "PREVENTED")], {1: "2", 9: "2"}, [1]),
    ],
)
def test_self_trade_prevention_is_that_of_the_scenarios_of_the_venue(
    scenario: str,
    makers: list[tuple[str, str]],
    taker: tuple[str, str | None],
    mode: str,
    outcomes: list[tuple[object, ...]],
    prevented: dict[int, str],
    resting: list[int],
) -> None:
    matcher = ReferenceLevels()
    orders = {no: order(no, BUY, *one) for no, one in enumerate(makers, 1)}
    for one in orders.values():
        matcher.place(one, one.no)
    orders[9] = order(9, SELL, *taker, mode=mode)
    assert shown(matcher.place(orders[9], 9)) == outcomes
    assert {no: one.prevented for no, one in orders.items() if one.prevented} == {
        no: Decimal(quantity) for no, quantity in prevented.items()
    }
    assert [one.no for one in matcher.orders] == resting


@pytest.mark.parametrize(
    ("taker_mode", "maker_mode", "account", "is_transfer"),
    [
        ("TRANSFER", "TRANSFER", "other", True),
        ("TRANSFER", "TRANSFER", "main", False),
        ("TRANSFER", "NONE", "other", False),
        ("DECREMENT", "TRANSFER", "other", False),
    ],
)
def test_a_transfer_needs_two_accounts_that_both_ask_for_it(
    taker_mode: str, maker_mode: str, account: str, is_transfer: bool
) -> None:
    matcher = ReferenceLevels()
    matcher.place(order(1, BUY, "0.6", "0.2", maker_mode, group=1), 1)
    stop, end = matcher.place(order(2, SELL, "0.2", "0.2", taker_mode, account=account, group=1), 2)
    assert isinstance(stop, Stopped)
    assert (stop.quantity, stop.is_transfer) == (Decimal("0.2"), is_transfer)
    assert shown([end]) == [(2, "PREVENTED")]


def test_orders_of_unrelated_accounts_trade_whatever_they_ask_for() -> None:
    matcher = ReferenceLevels()
    matcher.place(order(1, BUY, "1", "1", "EXPIRE_BOTH"), 1)
    outcomes = matcher.place(order(2, SELL, "1", "1", "EXPIRE_BOTH", account="other"), 2)
    assert shown(outcomes) == [(2, "1", "1", "taker"), (1, "1", "1", "maker")]


def test_a_taker_walks_the_levels_and_what_it_took_is_gone_until_they_change() -> None:
    matcher = ReferenceLevels()
    for row in (level(SELL, "10", "1"), level(SELL, "11", "2")):
        matcher.receive(row)
    assert shown(matcher.place(order(1, BUY, "2", None), 1)) == [
        (1, "10", "1", "taker"),
        (1, "11", "1", "taker"),
    ]
    assert shown(matcher.place(order(2, BUY, "2", "11", force="FOK"), 2)) == [(2, "FOK")]
    matcher.receive(level(SELL, "10", "1"))
    assert shown(matcher.place(order(3, BUY, "2", "11", force="FOK"), 3)) == [
        (3, "10", "1", "taker"),
        (3, "11", "1", "taker"),
    ]
    assert shown(matcher.place(order(4, BUY, "1", None), 4)) == [(4, "NO_LIQUIDITY")]


def test_a_bound_ends_an_order_that_its_limit_would_let_on() -> None:
    matcher = ReferenceLevels()
    for row in (level(SELL, "10", "1"), level(SELL, "12", "2")):
        matcher.receive(row)
    outcomes = matcher.place(order(1, BUY, "2", "12"), 1, bound=Decimal(11))
    assert shown(outcomes) == [(1, "10", "1", "taker"), (1, "PRICE_LIMIT")]


def test_a_resting_order_is_filled_behind_what_was_displayed_and_an_amended_one_keeps_its_place() -> None:
    # The book of order_amend_keep_priority.md: A 1.00, you 5.50, B 4.00 at 87,000.
    matcher = ReferenceLevels()
    matcher.receive(level(BUY, "87000", "1"))
    yours, other = order(15, BUY, "5.50", "87000"), order(20, BUY, "4", "87000", account="other")
    matcher.place(yours, 1)
    matcher.receive(level(BUY, "87000", "1"))
    matcher.place(other, 2)
    matcher.amend(yours, Decimal(87000), Decimal("5.00"), 3, keeps_place=True)
    assert shown(matcher.receive(trade(SELL, "87000", "7"))) == [
        (15, "87000", "5.00", "maker"),
        (20, "87000", "1.00", "maker"),
    ]


def test_an_order_that_loses_its_place_is_behind_the_others() -> None:
    matcher = ReferenceLevels()
    yours, other = order(15, BUY, "5.5", "87000"), order(20, BUY, "4", "87000", account="other")
    matcher.place(yours, 1)
    matcher.place(other, 2)
    matcher.amend(yours, Decimal(87000), Decimal(5), 3, keeps_place=False)
    assert shown(matcher.receive(trade(SELL, "87000", "5"))) == [
        (20, "87000", "4", "maker"),
        (15, "87000", "1", "maker"),
    ]


def test_prices_that_pass_an_order_fill_it_at_its_own_price() -> None:
    matcher = ReferenceLevels()
    matcher.place(order(1, BUY, "5", "10"), 1)
    matcher.place(order(2, BUY, "5", "9"), 2)
    assert shown(matcher.receive(trade(SELL, "9", "2", 7))) == [
        (1, "10", "5", "maker"),
        (2, "9", "2", "maker"),
    ]
    assert shown(matcher.receive(level(SELL, "9", "1"))) == [(2, "9", "1", "maker")]
    assert shown(matcher.receive(level(SELL, "8", "1"))) == [(2, "9", "2", "maker")]


def test_post_only_never_takes() -> None:
    matcher = ReferenceLevels()
    matcher.receive(level(SELL, "10", "1"))
    assert shown(matcher.place(order(1, BUY, "1", "10", force="POST_ONLY"), 1)) == [(1, "WOULD_TAKE")]
    assert shown(matcher.place(order(2, BUY, "1", "9", force="POST_ONLY"), 2)) == []


def test_whole_fills_at_the_touch_and_behind_the_queue() -> None:
    matcher = ReferenceWhole(Decimal("0.1"))
    for row in (level(SELL, "10", "1"), level(BUY, "9", "2")):
        matcher.receive(row)
    assert shown(matcher.place(order(1, BUY, "50", "12"), 1)) == [(1, "10", "50", "taker")]
    assert shown(matcher.place(order(2, BUY, "50", "9.5", force="IOC"), 2)) == [(2, "IOC_REST")]
    matcher.place(order(3, BUY, "50", "9"), 3)
    assert shown(matcher.receive(trade(SELL, "9", "2"))) == []
    assert shown(matcher.receive(trade(SELL, "9", "0.1"))) == [(3, "9", "50", "maker")]
    matcher.place(order(4, SELL, "50", "11"), 4)
    assert shown(matcher.receive(level(BUY, "11", "0.1"))) == [(4, "11", "50", "maker")]


RECEIVED = Fees(maker=Decimal("0.0000004"), taker=Decimal("0.0000006"))
TAXED = Fees(maker=Decimal(0), taker=Decimal("0.0000023"))
DISCOUNTED = Fees(maker=Decimal(0), taker=Decimal("0.0000006"), bnb_reduction=Decimal("0.25"))
NEGATIVE = Fees(maker=Decimal("-0.0001"), taker=Decimal("0.001"))


@pytest.mark.parametrize(
    ("venue", "fees", "side", "is_maker", "bnb", "fee"),
    [
        # commission_faq.md: 0.49975 BTC sold at 35,000; standard 0.01049475 USDT, tax 0.04022988 USDT.
        ("binance_spot", RECEIVED, SELL, False, "0", ("0.01049475", "USDT")),
        ("binance_spot", TAXED, SELL, False, "0", ("0.04022988", "USDT")),
        # With BNB at 260: 0.000040364 less 25 %; the FAQ's 0.000010091 takes 0.25 as the factor.
        ("binance_spot", DISCOUNTED, SELL, False, "1", ("0.00003027", "BNB")),
        ("binance_spot", DISCOUNTED, SELL, False, "0.00003026", ("0.01049475", "USDT")),
        ("binance_spot", RECEIVED, BUY, False, "0", ("0.00000030", "BTC")),
        ("binance_usdm", RECEIVED, BUY, False, "0", ("0.01049475", "USDT")),
        ("bybit_spot", NEGATIVE, BUY, False, "0", ("0.00049975", "BTC")),
        ("bybit_spot", NEGATIVE, BUY, True, "0", ("-1.749125", "USDT")),
        ("bybit_spot", NEGATIVE, SELL, True, "0", ("-0.00004998", "BTC")),
        ("bybit_linear", NEGATIVE, SELL, True, "0", ("-1.749125", "USDT")),
    ],
)
def test_fees_are_those_of_the_documents(
    venue: str, fees: Fees, side: int, is_maker: bool, bnb: str, fee: tuple[str, str]
) -> None:
    wallet = Wallet({"BNB": Decimal(bnb)})
    quantity = Decimal("0.49975")
    amount, asset = fee_of(
        venue, fees, wallet, "BTC", "USDT", side, quantity, quantity * 35000, is_maker, Decimal(260)
    )
    assert (amount, asset) == (Decimal(fee[0]), fee[1])


def test_a_closed_position_has_realized_what_its_fills_say() -> None:
    position = Position()
    for signed, price in (("0.003", "10.1"), ("0.004", "10.2"), ("-0.002", "10.4"), ("-0.001", "9.9")):
        position.apply(Decimal(signed), Decimal(price))
    # The released cost has 8 places: the entry of few lots moves in its sixth.
    assert position.entry == Decimal("10.1571425")
    position.apply(Decimal("-0.006"), Decimal(11))
    assert (position.quantity, position.cost) == (Decimal("-0.002"), Decimal("0.022"))
    paid = Decimal("0.003") * Decimal("10.1") + Decimal("0.004") * Decimal("10.2")
    assert (
        position.realized
        == Decimal("0.002") * Decimal("10.4")
        + Decimal("0.001") * Decimal("9.9")
        + Decimal("0.004") * 11
        - paid
    )


def test_longs_pay_a_positive_funding_rate() -> None:
    position = Position(quantity=Decimal("0.003"))
    assert funding_payment(position, Decimal("42000.15"), Decimal("0.0001")) == Decimal("-0.01260005")


def test_a_buy_locks_its_value_and_the_worst_fee_in_quote() -> None:
    assert lock_of_buy(RECEIVED, Decimal("0.2"), Decimal("0.4"), Decimal("0.1")) == Decimal("0.08")
    fees = Fees(Decimal("0.002"), Decimal("0.001"), "quote")
    assert lock_of_buy(fees, Decimal(100), Decimal(3), Decimal(1)) == Decimal("300.60000006")


def test_the_reference_price_is_the_mean_of_a_minute_whose_oldest_second_counts_in_part() -> None:
    price = ReferencePrice()
    assert price.at(0) is None
    price.add(100 * SECOND, Decimal(10))
    price.add(101 * SECOND, Decimal(20))
    assert price.at(102 * SECOND) == Decimal(15)
    # Half of the first bucket is outside: (5 + 20) / 1.5, truncated.
    assert price.at(160 * SECOND + SECOND // 2) == Decimal("16.66666666")
    assert price.at(162 * SECOND) is None
