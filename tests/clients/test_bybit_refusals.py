"""Wrong requests of ccxt, ccxt.pro and pybit at Bybit: each raises the error of the venue's code."""

from __future__ import annotations

import pytest
from clients.harness import Reported, RunningSandbox, ahead, run_program

from arb.sandbox.accounts.keys import ApiKey, KeyKind
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

PERMISSIONS = frozenset({"Order", "Position", "SpotTrade"})
KEY = ApiKey("test-key", "bybit", KeyKind.HMAC, "main", secret=b"test-secret", permissions=PERMISSIONS)
READER = ApiKey("reader", "bybit", KeyKind.HMAC, "main", secret=b"reader-secret")
#: Request: (class of ccxt's error, code on linear, code on spot).
REFUSED = {
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
BY_SOCKET = {
    "socket_wrong_secret": ("AuthenticationError", 10004),
    "socket_unknown_key": ("AuthenticationError", 10003),
    "socket_no_permission": ("PermissionDenied", 10005),
}
SYMBOLS = {"linear": "BTC/USDT:USDT", "spot": "BTC/USDT"}


@ahead([(client, category) for client in ("ccxt", "pybit") for category in SYMBOLS])
def reported(client: str, category: str) -> Reported:
    """Runs the wrong requests once."""
    with RunningSandbox(
        TradingSetup((usual_account(),), (KEY, READER)), "bybit_spot", "bybit_linear"
    ) as sandbox:
        return run_program(
            sandbox,
            f"bybit_refusals_{client}",
            bybit=sandbox.addresses[f"bybit_{category}"],
            symbol=SYMBOLS[category],
            category=category,
            key=KEY.id,
            secret=KEY.secret.decode(),
            reader=READER.id,
            reader_secret=READER.secret.decode(),
        )


def cell(client: str, category: str, name: str) -> object:
    run = reported(client, category)
    assert name in run.cells, run.error or "not reported"
    return run.cells[name]


@pytest.mark.parametrize("category", SYMBOLS)
@pytest.mark.parametrize("name", REFUSED)
def test_ccxt_raises_the_class_of_the_venues_code(category, name):
    kind, linear, spot = REFUSED[name]
    assert cell("ccxt", category, name) == f"{kind} {linear if category == 'linear' else spot}"


@pytest.mark.parametrize("category", SYMBOLS)
@pytest.mark.parametrize("name", REFUSED)
def test_pybit_raises_the_venues_code(category, name):
    _, linear, spot = REFUSED[name]
    assert cell("pybit", category, name) == f"InvalidRequestError {linear if category == 'linear' else spot}"


@pytest.mark.parametrize("category", SYMBOLS)
@pytest.mark.parametrize("name", BY_SOCKET)
def test_ccxt_pro_raises_the_class_of_the_venues_code(category, name):
    kind, code = BY_SOCKET[name]
    assert cell("ccxt", category, name) == f"{kind} {code}"


@pytest.mark.parametrize("category", SYMBOLS)
def test_too_many_requests_of_a_uid(category):
    assert cell("ccxt", category, "too_many") == ["RateLimitExceeded 10006", "none"]
    assert cell("pybit", category, "too_many") == ["InvalidRequestError 10006", "none"]
