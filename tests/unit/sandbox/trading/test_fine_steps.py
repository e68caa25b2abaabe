"""An instrument whose values have more decimals than balances: ETHBTC, with 9."""

from __future__ import annotations

from numpy.random import default_rng
from support.sandbox_accounts import D
from support.trading_world import START_NS, Silent
from support.venue_rows import level, rows_of

from arb.sandbox.accounts.amounts import exact, padded
from arb.sandbox.accounts.rules import Facts
from arb.sandbox.events import ASK, BUY, Listing
from arb.sandbox.matching.orders import Force
from arb.sandbox.trading.requests import OrderKind, Place
from arb.sandbox.trading.setup import TradingSetup, usual_account
from arb.sandbox.trading.state import Trading


def test_a_fill_is_booked_with_eight_decimals() -> None:
    listing = Listing("binance_spot", "ETHBTC", "0.00001", "0.0001")
    facts = {("binance_spot", "ETHBTC"): Facts("0.0001", "0.0001")}
    setup = TradingSetup((usual_account(),), ())
    trading = Trading(setup, Silent([listing]), facts, START_NS, seed=1, chance=default_rng(1))
    desk = trading.desks["binance_spot"]
    rows = rows_of(level(ASK, 5431, 900), at_ns=START_NS).copy()
    rows["px"] *= 0.00001
    request = Place("main", "ETHBTC", BUY, OrderKind.LIMIT, Force.GTC, D("0.05432"), D("101.2347"))
    with exact():
        desk.instruments["ETHBTC"].matcher.receive(rows, START_NS)
        order = desk.place(request, START_NS)
        account = trading.account("binance_spot", "main")
        account.ledger.check()
    # 101.2347 at 0.05431 are 5.498056557.
    assert order.value == D("5.49805656")
    assert padded(account.wallet("binance_spot").total("BTC")) == "4.50194344"
