"""Instruments with the same base and different quotes: whose price counts for fees and margin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from numpy.random import default_rng
from support.sandbox_accounts import D
from support.trading_world import START_NS, Silent
from support.venue_rows import level, rows_of

from arb.sandbox.accounts.amounts import exact
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.events import ASK, BUY, Listing
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.requests import OrderKind, Place
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.state import Trading


def trading_of(venue: str, symbols: dict[str, int], modes: Modes) -> Trading:
    """Steps and the last price are whole; 900 are offered at the next tick. 100 BNB are in every wallet."""
    account = replace(
        usual_account(),
        balances={wallet: {"BNB": D(100), "BTC": D(1000), "USDT": D(1000)} for wallet in ("spot", "usdm")},
        modes={"binance": modes},
    )
    listings = [Listing(venue, symbol, "1", "1") for symbol in symbols]
    setup = TradingSetup((account,), ())
    trading = Trading(setup, Silent(listings), {}, START_NS, seed=1, chance=default_rng(1))
    for symbol, price in symbols.items():
        instrument = trading.desks[venue].instruments[symbol]
        with exact():
            instrument.on_trade(Decimal(price), START_NS)
            instrument.matcher.receive(rows_of(level(ASK, price + 1, 900), at_ns=START_NS), START_NS)
    return trading


@pytest.mark.parametrize(
    ("others", "fees"),
    [
        # 200 BTC, a fee of 0.2 BTC without and 0.15 with the discount.
        ({"BNBUSDT": 600}, {"ETH": D("0.1")}),
        ({"BNBUSDT": 600, "BNBBTC": 3}, {"BNB": D("0.05")}),
    ],
)
def test_a_fee_in_another_asset_has_its_price_in_the_quote_of_the_trade(
    others: dict[str, int], fees: dict[str, Decimal]
) -> None:
    trading = trading_of("binance_spot", {**others, "ETHBTC": 1}, Modes(is_bnb_discount=True))
    request = Place("main", "ETHBTC", BUY, OrderKind.LIMIT, Force.GTC, D(2), D(100))
    assert trading.desks["binance_spot"].place(request, START_NS).fees == fees


def test_a_fee_in_the_quote_asset_is_its_value_less_the_discount() -> None:
    trading = trading_of("binance_spot", {"BNBUSDT": 600, "ADABNB": 1}, Modes(is_bnb_discount=True))
    request = Place("main", "ADABNB", BUY, OrderKind.LIMIT, Force.GTC, D(2), D(10))
    assert trading.desks["binance_spot"].place(request, START_NS).fees == {"BNB": D("0.015")}


@pytest.mark.parametrize("symbols", [{"BTCUSDT": 5, "BTCETH": 20}, {"BTCETH": 20, "BTCUSDT": 5}])
def test_collateral_has_its_price_in_the_asset_of_the_margin(symbols: dict[str, int]) -> None:
    trading = trading_of("binance_usdm", symbols, Modes(is_multi_assets=True))
    margin = trading.desks["binance_usdm"].margin("main")
    assert (margin.wallet, margin.collateral) == (1000, 5000)
