"""Balances of the gate: reports of the venue, what others tie up, and reports that lag behind."""

from __future__ import annotations

import pytest
from support.gates import START_NS, gate, held, request

from arb.risk.exposure import QUIET_NS, Exposure, GateLeg


def exposure() -> Exposure:
    return gate().exposure


def test_what_others_tie_up_is_not_free() -> None:
    known = exposure()
    known.set_balances("binance_spot", {"USDT": 1_000.0, "BTC": 2.0}, {"USDT": 300.0})
    assert (known.free("binance_spot", "USDT"), known.free("binance_spot", "BTC")) == (700.0, 2.0)
    known.set_balances("binance_spot", {"USDT": 1_000.0, "BTC": 2.0}, {})
    assert known.free("binance_spot", "USDT") == 1_000.0


def test_margin_of_own_positions_is_not_counted_twice() -> None:
    made = held(gate(), 1, 1_000)
    made.decide([request(1, no=9)], START_NS)  # the price is known from now on
    made.exposure.remove(1, 9)
    made.exposure.set_balances("bybit", {"USDT": 5_000.0}, {"USDT": 500.0})
    assert made.exposure.free("bybit", "USDT") == pytest.approx(4_500.0)
    made.exposure.set_balances("bybit", {"USDT": 5_000.0}, {"USDT": 750.0})
    assert made.exposure.free("bybit", "USDT") == pytest.approx(4_250.0)


def test_without_a_price_nothing_is_known_of_others() -> None:
    made = held(gate(), 1, 1_000)
    made.exposure.set_balances("bybit", {"USDT": 5_000.0}, {"USDT": 500.0})
    made.decide([request(1, no=9)], START_NS)
    made.exposure.remove(1, 9)
    assert made.exposure.free("bybit", "USDT") == pytest.approx(4_500.0)


def test_soon_after_an_execution_the_smaller_figure_holds() -> None:
    made = gate()
    known = made.exposure
    known.set_balances("binance_spot", {"USDT": 1_000.0}, {}, START_NS)
    made.decide([request(lots=500)], START_NS)
    known.executed(0, 1, 10_000, 200, {}, START_NS)
    known.changed(0, 1, 10_000, 300, is_amended=False)
    known.set_balances(
        "binance_spot", {"USDT": 1_000.0}, {}, START_NS + QUIET_NS - 1
    )  # may be from before it
    assert known.free("binance_spot", "USDT") == pytest.approx(800.0 - 300.3)
    known.set_balances("binance_spot", {"USDT": 790.0}, {}, START_NS + QUIET_NS - 1)  # may have a further one
    assert known.free("binance_spot", "USDT") == pytest.approx(790.0 - 300.3)
    known.set_balances("binance_spot", {"USDT": 801.0}, {}, START_NS + QUIET_NS)
    assert known.free("binance_spot", "USDT") == pytest.approx(801.0 - 300.3)


def test_while_orders_are_open_others_tie_up_what_they_did() -> None:
    made = gate()
    made.exposure.set_balances("binance_spot", {"USDT": 1_000.0}, {"USDT": 100.0})
    made.decide([request(lots=500)], START_NS)
    made.exposure.set_balances("binance_spot", {"USDT": 1_000.0}, {"USDT": 600.0})
    assert made.exposure.free("binance_spot", "USDT") == pytest.approx(900.0 - 500.5)
    made.exposure.remove(0, 1)
    made.exposure.set_balances("binance_spot", {"USDT": 1_000.0}, {"USDT": 200.0})
    assert made.exposure.free("binance_spot", "USDT") == 800.0


def test_fees_are_taken_from_the_asset_that_they_are_charged_in() -> None:
    known = exposure()
    known.set_balances("binance_spot", {"USDT": 1_000.0, "BTC": 2.0, "BNB": 1.0})
    known.executed(0, 1, 10_000, 100, {"BTC": 0.0001, "BNB": 0.01}, START_NS)
    balances = known.balances["binance_spot"]
    assert balances == pytest.approx({"USDT": 900.0, "BTC": 2.0999, "BNB": 0.99})
    known.executed(1, -1, 10_000, 100, {"USDT": 0.05}, START_NS)
    assert known.balances["bybit"]["USDT"] == pytest.approx(5_000.0 - 0.05)
    assert known.traded(START_NS) == pytest.approx(200.0)


def test_an_unknown_wallet_has_no_free_balance() -> None:
    free = exposure().free("elsewhere", "USDT")
    assert free != free


def test_what_fees_have_taken_of_a_purchase_may_be_bought_back() -> None:
    known = Exposure([GateLeg("bybit_spot", "bybit", 0, True, "BTC", "USDT", 0.1, 1e-6)])
    known.executed(0, -1, 423_000, 50_000, {}, START_NS)
    known.executed(0, 1, 423_000, 11_428, {"BTC": 1.1e-5}, START_NS)
    for reduces in (known.is_closing, known.is_hedging):
        assert reduces(0, 1, 38_583)
        assert not reduces(0, 1, 38_584), "more than is missing"
        assert not reduces(0, -1, 1)
