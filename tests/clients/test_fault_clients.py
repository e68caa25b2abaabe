"""Every fault of order entry and accounts, as a client that nobody here wrote sees it."""

from __future__ import annotations

from typing import Any

import pytest
from clients.harness import Reported, RunningSandbox, ahead, run_program

from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.faults import ACCOUNT_LINE_KINDS, TRADING_KINDS
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.setup import TradingSetup, usual_account
from connectors.units import MILLISECOND

pytestmark = pytest.mark.slow

HMAC, ED25519, BYBIT = test_keys(7)
VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
PERPETUALS = ("binance_usdm", "bybit_linear")


@ahead(
    [
        *(("faults_ccxt", market) for market in VENUES),
        ("faults_pybit", "bybit_linear"),
        ("faults_spot_sdk", "binance_spot"),
        ("faults_usdm_sdk", "binance_usdm"),
    ]
)
def seen(program: str, market: str) -> tuple[Reported, list[dict[str, Any]]]:
    """What a client reported in a sandbox of its own, and the fault log."""
    house = market.partition("_")[0]
    venues = tuple(one for one in VENUES if one.startswith(house))
    # pybit's WebSocketTrading registers the callback of a request after it was sent: an answer must not be sooner.
    late = Delays(answer_ns=(400 * MILLISECOND,) * 2) if program == "faults_pybit" else Delays()
    keys = tuple(one.key for one in (HMAC, ED25519, BYBIT))
    setup = TradingSetup((usual_account(),), keys, delays={market: late})
    with RunningSandbox(setup, *venues) as running:
        key = BYBIT if house == "bybit" else HMAC
        addresses = running.addresses
        reported = run_program(
            running,
            program,
            market=market,
            spot=addresses.get("binance_spot"),
            usdm=addresses.get("binance_usdm"),
            bybit=addresses.get(market),
            key=key.key.id,
            secret=key.private,
            ed25519_key=ED25519.key.id,
            ed25519_secret=ED25519.private,
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
    # whether the time is listed; the error of an order after it
    "delisted": (
        [False, "MarketClosed"],
        [True, "ExchangeError"],
        [False, "InvalidOrder"],
        [True, "ExchangeError"],
    ),
    # states of what is announced
    "maintenance": ([], [], ["scheduled"], ["scheduled"]),
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


@pytest.mark.parametrize("market", VENUES)
def test_a_wrong_clock_refuses_signed_requests(market: str) -> None:
    assert cell("faults_ccxt", market, "clock") == "InvalidNonce"


@pytest.mark.parametrize(("market", "name"), [("binance_usdm", "autoclose-"), ("bybit_linear", "BustTrade")])
def test_ccxt_sees_a_liquidation_at_the_maintenance_margin(market: str, name: str) -> None:
    reported, _ = seen("faults_ccxt", market)
    assert reported.cells.get("liquidation", reported.error) == [0, name, []]


#: What pybit's sockets report at Bybit linear; see `programs/faults_pybit.py`.
BY_PYBIT = {
    # retCode, and whether the order is open afterwards
    "lost_request": ["no answer", False],
    "accepted_no_answer": ["no answer", True],
    "reject": 110007,
    "accepted_5xx": [10016, True],
    "trade_lost": ["no answer", True],
    # retCode; closed orders in order/realtime before and after; retCode on the connection that pybit opens again
    "restarting": [10019, True, 0, 0],
    # messages of an order and of its position
    "duplicate_event": ["order New", "order New", "position"],
    "reorder_event": ["position", "order New"],
    # at once, and later
    "late_event": [["position"], ["order New"]],
    # while it lasts, and afterwards
    "user_silent": [[], ["order New", "position"]],
    "user_lost": [[], ["order New", "position"]],
    "key_expired": [[], ["order New", "position"]],
}
_NEW = "ExecutionReport NEW"
_FUNDS = "OutboundAccountPosition"
#: What Binance's own client reports at spot's websocket API; see `programs/faults_spot_sdk.py`.
BY_SPOT_CLIENT = {
    "reject": -2010,
    # the outcome of the order, and of a query for it
    "accepted_5xx": [-1006, 0],
    "accepted_no_answer": ["TimeoutError", 0],
    "lost_request": ["TimeoutError", -2013],
    "trade_lost": ["TimeoutError", 0],
    "duplicate_event": [_NEW, _NEW, _FUNDS],
    "reorder_event": [_FUNDS, _NEW],
    "late_event": [[_FUNDS], [_NEW]],
    "user_silent": [[], [_NEW, _FUNDS]],
    "transfer": ["BalanceUpdate", _FUNDS],
    "key_expired": [["EventStreamTerminated"], []],
    # a request 1 s after the first that failed: the client has no connection any more
    "user_lost": "ValueError",
    # whether a request failed, and a later one: after the notice, the client connects again
    "restarting": [True, 0],
    # of a connection that logged on; the error belongs to no request
    "key_revoked": ["TimeoutError", -2015],
}
_TRADE = ["AccountUpdate", "TradeLite", "OrderTradeUpdate"]
#: What Binance's own connector reports of USD-M's user data; see `programs/faults_usdm_sdk.py`.
BY_USDM_CONNECTOR = {
    "duplicate_event": ["OrderTradeUpdate", *_TRADE, *_TRADE[1:]],
    "margin_call": ["MarginCall", ["0.08"]],
    "mode_switched": ["AccountConfigUpdate", 4],
    "transfer": ["AccountUpdate", "WITHDRAW", "-5.00000000"],
    # client id, execution type and type of the last order event; the position after each update
    "adl": ["adl_autoclose", "CALCULATED", "MARKET", ["0.04"]],
    "liquidate": ["autoclose-", "CALCULATED", "LIQUIDATION", ["0.02"]],
    "key_expired": [["ListenKeyExpired"], []],
}


@pytest.mark.parametrize("kind", BY_PYBIT)
def test_pybit_sees(kind: str) -> None:
    assert cell("faults_pybit", "bybit_linear", kind) == BY_PYBIT[kind]


def test_faults_of_frames_are_of_private_sockets_too() -> None:
    assert cell("faults_pybit", "bybit_linear", "gap") == ["position"]


@pytest.mark.parametrize("kind", BY_SPOT_CLIENT)
def test_binances_client_of_spot_sees(kind: str) -> None:
    assert cell("faults_spot_sdk", "binance_spot", kind) == BY_SPOT_CLIENT[kind]


@pytest.mark.parametrize("kind", BY_USDM_CONNECTOR)
def test_binances_connector_of_usdm_sees(kind: str) -> None:
    assert cell("faults_usdm_sdk", "binance_usdm", kind) == BY_USDM_CONNECTOR[kind]


def test_every_kind_is_seen_by_a_client() -> None:
    tables = (BY_CCXT, BY_PYBIT, BY_SPOT_CLIENT, BY_USDM_CONNECTOR)
    assert {kind for table in tables for kind in table} == TRADING_KINDS | ACCOUNT_LINE_KINDS
