"""Every fault of order entry and accounts, as a client that nobody here wrote sees it."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import pytest
from clients.faulty import run_faulty
from clients.harness import Reported, RunningSandbox

from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

HMAC, ED25519, BYBIT = test_keys(7)
VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
PERPETUALS = ("binance_usdm", "bybit_linear")


@cache
def seen(program: str, market: str) -> tuple[Reported, list[dict[str, Any]]]:
    """What a client reported in a sandbox of its own, and the fault log."""
    house = market.partition("_")[0]
    venues = tuple(one for one in VENUES if one.startswith(house))
    setup = TradingSetup((usual_account(),), tuple(one.key for one in (HMAC, ED25519, BYBIT)))
    with RunningSandbox(setup, *venues) as running:
        while not running.ask(lambda trading: trading.desks[market].instruments["BTCUSDT"].matcher.is_ready):
            time.sleep(0.05)
        key = BYBIT if house == "bybit" else HMAC
        addresses = running.addresses
        reported = run_faulty(
            program,
            running,
            market=market,
            spot=addresses.get("binance_spot"),
            usdm=addresses.get("binance_usdm"),
            bybit=addresses.get(market),
            key=key.key.id,
            secret=key.private,
        )
        running.ask(lambda trading: trading.accounts[house]["main"].ledger.check())
        return reported, list(running.sandbox.injected)


def cell(program: str, market: str, name: str) -> Any:
    reported, injected = seen(program, market)
    assert name in reported.cells, reported.error or "not reported"
    assert any(one["kind"] == name.partition(":")[0] for one in injected)
    return reported.cells[name]


#: What ccxt's REST client reports at each market, in the order of `VENUES`; one value: the same at all.
#: See `programs/faults_ccxt.py`.
BY_CCXT: dict[str, tuple[Any, ...]] = {
    "reject": ("InsufficientFunds", "ExchangeError", "InsufficientFunds", "InsufficientFunds"),
    # the error of the request; whether the order is open afterwards
    "lost_request": (["NetworkError", False],),
    "accepted_no_answer": (["RequestTimeout", True],),
    "accepted_5xx": (
        ["RequestTimeout", True],
        ["RequestTimeout", True],
        ["ExchangeError", True],
        ["ExchangeError", True],
    ),
    # status and filled quantity of an order of 0.04
    "partial_then_expire": (["expired", 0.01], ["expired", 0.01], ["closed", 0.01], ["canceled", 0.01]),
    # the first query of the order, and a later one
    "not_visible": (["OrderNotFound", "open"],),
    # the query of the order; whether its executions are listed
    "pruned": (["OrderNotFound", True],),
    # the resting order: executed, or ended by the venue's self-trade prevention
    "self_trade": (["closed", 0.01], ["expired", 0.0], ["closed", 0.01], ["closed", 0.01]),
    "foreign_order": (0.02,),
    "transfer": (-1000.5,),
    "mode_switched": (3,),
    # the listed minimum; the error of an order below it
    "filter_changed": (
        [0.5, "InvalidOrder"],
        [0.5, "BadRequest"],
        [0.5, "InvalidOrder"],
        [0.5, "BadRequest"],
    ),
    # of a new order, and of a cancellation
    "cancel_only": (
        ["MarketClosed", "none"],
        ["ExchangeError", "none"],
        ["InvalidOrder", "none"],
        ["ExchangeError", "none"],
    ),
    # while it is revoked, and afterwards; ccxt takes -2015 of a key that was good for a ban
    "key_revoked": (
        ["DDoSProtection", "none"],
        ["AuthenticationError", "none"],
        ["AuthenticationError", "none"],
        ["AuthenticationError", "none"],
    ),
    # whether the balance before a trade is still shown: at once, and later
    "balance_lag": ([True, False],),
    # what is left of 0.04, and how the venue names the execution or its order
    "adl": (None, [0.02, "adl_autoclose"], None, [0.02, "AdlTrade"]),
    "liquidate": (None, [0, "autoclose-"], None, [0, "BustTrade"]),
}


@pytest.mark.parametrize("market", VENUES)
@pytest.mark.parametrize("kind", BY_CCXT)
def test_ccxt_sees(kind: str, market: str) -> None:
    if kind in ("mode_switched", "adl", "liquidate") and market not in PERPETUALS:
        return
    values = BY_CCXT[kind]
    expected = values[VENUES.index(market)] if len(values) > 1 else values[0]
    found = cell("faults_ccxt", market, kind)
    assert (found[0] if kind == "foreign_order" else found) == expected
