"""Wrong requests of ccxt, ccxt.pro and Binance's own connector at USD-M: each raises the error of the venue's code.

The classes of ccxt are those that it raises for an address that is not the venue's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from clients.harness import RunningSandbox, ahead, run_program

from arb.sandbox.accounts.keys import test_keys
from arb.sandbox.serve.limits import LIMITS
from arb.sandbox.trading.setup import TradingSetup, usual_account

pytestmark = pytest.mark.slow

VENUE = "binance_usdm"
KEY, READER = test_keys(7)[0], test_keys(8)[0]
#: A limit that a client exceeds on any machine.
LOW = replace(LIMITS[VENUE], orders_10s=5)
#: Request: (class of ccxt's error, class of the connector's error, code).
REFUSED = {
    "wrong_secret": ("AuthenticationError", "BadRequestError", -1022),
    "unknown_key": ("AuthenticationError", "UnauthorizedError", -2015),
    "odd_key": ("AuthenticationError", None, -2014),
    "no_permission": ("AuthenticationError", "UnauthorizedError", -2015),
    "old_timestamp": ("InvalidNonce", "BadRequestError", -1021),
    "early_timestamp": ("InvalidNonce", "BadRequestError", -1021),
    "encoded_after_signing": ("AuthenticationError", "BadRequestError", -1022),
    "no_margin": ("ExchangeError", "BadRequestError", -2019),
    "too_small": ("ExchangeError", "BadRequestError", -4164),
    "too_high": ("ExchangeError", "BadRequestError", -4131),
    "post_only": ("InvalidOrder", "BadRequestError", -5022),
    "fok": ("InvalidOrder", "BadRequestError", -5021),
    "reduce_only": ("ExchangeError", "BadRequestError", -2022),
    "position_side": ("OperationRejected", "BadRequestError", -4061),
    "unknown_order": ("OrderNotFound", None, -2011),
    "no_such_order": ("OrderNotFound", None, -2013),
    "duplicate_id": ("ExchangeError", "BadRequestError", -4116),
    "leverage": ("BadRequest", None, -4028),
    "same_mode": ("OperationRejected", None, -4059),
    "surplus": ("BadRequest", None, -1104),
}
BY_SOCKET = {
    "socket_wrong_secret": ("AuthenticationError", -1022),
    "socket_unknown_key": ("AuthenticationError", -2015),
    "socket_no_permission": ("AuthenticationError", -2015),
    "socket_old_timestamp": ("InvalidNonce", -1021),
    "socket_unsorted": ("AuthenticationError", -1022),
}


@ahead([("usdm_refusals_ccxt",), ("usdm_refusals_connector",)])
def reported(program: str) -> Any:
    """Runs the wrong requests once."""
    reader = replace(READER.key, permissions=frozenset(("read", "spot")))
    setup = TradingSetup((usual_account(),), (KEY.key, reader))
    with RunningSandbox(setup, "binance_spot", VENUE, limits={VENUE: LOW}) as sandbox:
        return run_program(
            sandbox,
            program,
            spot=sandbox.addresses["binance_spot"],
            usdm=sandbox.addresses[VENUE],
            key=KEY.key.id,
            secret=KEY.private,
            reader=reader.id,
            reader_secret=READER.private,
        )


def cell(program: str, name: str) -> Any:
    run = reported(program)
    assert name in run.cells, run.error or "not reported"
    return run.cells[name]


@pytest.mark.parametrize("name", REFUSED)
def test_ccxt_raises_the_class_of_the_venues_code(name: str) -> None:
    kind, _, code = REFUSED[name]
    assert cell("usdm_refusals_ccxt", name) == f"{kind} {code}"


@pytest.mark.parametrize("name", [name for name, (_, kind, _) in REFUSED.items() if kind])
def test_the_connector_raises_the_class_of_the_status(name: str) -> None:
    _, kind, code = REFUSED[name]
    assert cell("usdm_refusals_connector", name) == f"{kind} {code}"


@pytest.mark.parametrize("name", BY_SOCKET)
def test_requests_by_websocket(name: str) -> None:
    kind, code = BY_SOCKET[name]
    assert cell("usdm_refusals_ccxt", name) == f"{kind} {code}"
    assert cell("usdm_refusals_connector", name) == code


def test_too_many_orders() -> None:
    """ccxt raises DDoSProtection for every answer with status 429."""
    assert cell("usdm_refusals_ccxt", "too_many_orders") == ["DDoSProtection -1015", "none"]
