"""Wrong requests of clients that nobody here wrote: each raises the error of the venue's code.

The classes of ccxt are those that it raises for an address that is not the venue's.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from clients.harness import Reported, RunningSandbox, ahead, run_program

from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

#: Request: (class of ccxt's error, class of the error of Binance's client, code).
SPOT = {
    "wrong_secret": ("AuthenticationError", "BadRequestError", -1022),
    "unknown_key": ("AuthenticationError", "UnauthorizedError", -2015),
    "odd_key": ("AuthenticationError", None, -2014),
    "no_permission": ("AuthenticationError", "UnauthorizedError", -2015),
    "old_timestamp": ("InvalidNonce", "BadRequestError", -1021),
    "early_timestamp": ("InvalidNonce", "BadRequestError", -1021),
    "encoded_after_signing": ("AuthenticationError", "BadRequestError", -1022),
    "reordered_after_signing": ("AuthenticationError", None, -1022),
    "no_funds": ("InsufficientFunds", "BadRequestError", -2010),
    "too_small": ("BadRequest", "BadRequestError", -1013),
    "post_only": ("OrderImmediatelyFillable", None, -2010),
    "unknown_order": ("OrderNotFound", None, -2011),
    "no_such_order": ("OrderNotFound", None, -2013),
    "duplicate_id": ("InvalidOrder", "BadRequestError", -2010),
    "surplus": ("BadRequest", None, -1104),
}
USDM = {name: one for name, one in SPOT.items() if name != "reordered_after_signing"} | {
    "no_funds": ("ExchangeError", "BadRequestError", -2019),
    "too_small": ("ExchangeError", "BadRequestError", -4164),
    "too_high": ("ExchangeError", "BadRequestError", -4131),
    "post_only": ("InvalidOrder", "BadRequestError", -5022),
    "fok": ("InvalidOrder", "BadRequestError", -5021),
    "reduce_only": ("ExchangeError", "BadRequestError", -2022),
    "position_side": ("OperationRejected", "BadRequestError", -4061),
    "duplicate_id": ("ExchangeError", "BadRequestError", -4116),
    "leverage": ("BadRequest", None, -4028),
    "same_mode": ("OperationRejected", None, -4059),
}
#: Texts of ccxt that have no code.
WORDS = {
    ("binance_spot", "no_funds"): "insufficient balance",
    ("binance_spot", "post_only"): "immediately match",
}
#: Request: (class of ccxt's error, code on linear, code on spot).
BYBIT = {
    "wrong_secret": ("AuthenticationError", 10004, 10004),
    "unknown_key": ("AuthenticationError", 10003, 10003),
    "old_timestamp": ("InvalidNonce", 10002, 10002),
    "early_timestamp": ("InvalidNonce", 10002, 10002),
    "encoded_after_signing": ("AuthenticationError", 10004, 10004),
    "reordered_after_signing": ("AuthenticationError", 10004, 10004),
    "no_permission": ("PermissionDenied", 10005, 10005),
    "no_funds": ("InsufficientFunds", 110007, 170131),
    "too_small": ("InvalidOrder", 110094, 170140),
    "unknown_order": ("OrderNotFound", 110001, 170213),
    "duplicate_id": ("InvalidOrder", 110072, 170141),
}
OF_BINANCE = [("binance_spot", name) for name in SPOT] + [("binance_usdm", name) for name in USDM]
OF_BYBIT = [(market, name) for market in ("bybit_spot", "bybit_linear") for name in BYBIT]
BY_SOCKET = {
    "binance": {
        "socket_wrong_secret": ("AuthenticationError", -1022),
        "socket_unknown_key": ("AuthenticationError", -2015),
        "socket_no_permission": ("AuthenticationError", -2015),
        "socket_old_timestamp": ("InvalidNonce", -1021),
        "socket_unsorted": ("AuthenticationError", -1022),
    },
    "bybit": {
        "socket_wrong_secret": ("AuthenticationError", 10004),
        "socket_unknown_key": ("AuthenticationError", 10003),
        "socket_no_permission": ("PermissionDenied", 10005),
    },
}
MARKETS = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")
#: What the second key of a market may do: not to trade there.
MAY = {"binance_spot": {"read"}, "binance_usdm": {"read", "spot"}, "bybit_spot": set(), "bybit_linear": set()}
#: Limits that a client exceeds on any machine.
LOW = {
    "binance_spot": replace(LIMITS["binance_spot"], orders_10s=5, weight_max=1000),
    "binance_usdm": replace(LIMITS["binance_usdm"], orders_10s=5, weight_max=1000),
}


@ahead(
    [
        *(("refusals_ccxt", market) for market in MARKETS),
        *(("refusals_binance", market) for market in MARKETS[:2]),
        *(("bybit_refusals_pybit", market) for market in MARKETS[2:]),
    ]
)
def reported(program: str, market: str) -> Reported:
    """Runs the wrong requests once."""
    house, _, category = market.partition("_")
    own, other = ((test_keys(seed)[2 if house == "bybit" else 0]) for seed in (7, 8))
    reader = replace(other.key, permissions=frozenset(MAY[market]))
    setup = TradingSetup((usual_account(),), (own.key, reader))
    venues = [one for one in MARKETS if one.startswith(house)]
    with RunningSandbox(setup, *venues, limits=LOW) as sandbox:
        return run_program(
            sandbox,
            program,
            market=market,
            category=category,
            spot=sandbox.addresses.get("binance_spot"),
            usdm=sandbox.addresses.get("binance_usdm"),
            bybit=sandbox.addresses.get(market),
            key=own.key.id,
            secret=own.private,
            reader=reader.id,
            reader_secret=other.private,
        )


def cell(program: str, market: str, name: str) -> object:
    run = reported(program, market)
    assert name in run.cells, run.error or "not reported"
    return run.cells[name]


@pytest.mark.parametrize(("market", "name"), OF_BINANCE)
def test_ccxt_raises_the_class_of_binances_code(market: str, name: str) -> None:
    kind, _, code = (SPOT if market == "binance_spot" else USDM)[name]
    found = str(cell("refusals_ccxt", market, name))
    assert found.partition(" ")[0] == kind
    assert found.endswith(f" {code}") or WORDS.get((market, name), "no words") in found, found


@pytest.mark.parametrize(("market", "name"), OF_BYBIT)
def test_ccxt_raises_the_class_of_bybits_code(market: str, name: str) -> None:
    kind, linear, spot = BYBIT[name]
    assert cell("refusals_ccxt", market, name) == f"{kind} {spot if market == 'bybit_spot' else linear}"


@pytest.mark.parametrize(
    ("market", "name"), [(one, name) for one in MARKETS for name in BY_SOCKET[one.partition("_")[0]]]
)
def test_ccxt_pro_raises_the_class_of_the_venues_code(market: str, name: str) -> None:
    kind, code = BY_SOCKET[market.partition("_")[0]][name]
    assert cell("refusals_ccxt", market, name) == f"{kind} {code}"


@pytest.mark.parametrize(("market", "name"), OF_BINANCE)
def test_binances_client_raises_the_class_of_the_status(market: str, name: str) -> None:
    _, kind, code = (SPOT if market == "binance_spot" else USDM)[name]
    if kind:
        assert cell("refusals_binance", market, name) == f"{kind} {code}"


@pytest.mark.parametrize("market", MARKETS[:2])
@pytest.mark.parametrize("name", BY_SOCKET["binance"])
def test_binances_client_reports_the_code_by_websocket(name: str, market: str) -> None:
    assert cell("refusals_binance", market, name) == BY_SOCKET["binance"][name][1]


@pytest.mark.parametrize(("market", "name"), OF_BYBIT)
def test_pybit_raises_bybits_code(market: str, name: str) -> None:
    _, linear, spot = BYBIT[name]
    code = spot if market == "bybit_spot" else linear
    assert cell("bybit_refusals_pybit", market, name) == f"InvalidRequestError {code}"


@pytest.mark.parametrize("market", MARKETS[:2])
def test_too_many_orders_and_too_much_weight(market: str) -> None:
    """ccxt raises DDoSProtection for every answer with status 429."""
    assert cell("refusals_ccxt", market, "too_many_orders") == ["DDoSProtection -1015", "none"]
    assert cell("refusals_ccxt", market, "too_much_weight") == ["DDoSProtection -1003", "none"]
    assert cell("refusals_binance", market, "too_many_orders") == ["TooManyRequestsError -1015", "none"]


@pytest.mark.parametrize("market", MARKETS[2:])
def test_too_many_requests_of_a_uid(market: str) -> None:
    assert cell("refusals_ccxt", market, "too_many") == ["RateLimitExceeded 10006", "none"]
    assert cell("bybit_refusals_pybit", market, "too_many") == ["InvalidRequestError 10006", "none"]
