"""Accounts and instruments of the sandbox for tests, with figures as text."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from arb.sandbox.accounts.account import Account, open_account
from arb.sandbox.accounts.fees import FeeRule
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.accounts.rules import Facts, InstrumentRules, rules_of
from arb.sandbox.events import Listing

#: Short, for tables of figures.
D = Decimal
VENUES = ("binance_spot", "binance_usdm", "bybit_spot", "bybit_linear")


class Order(NamedTuple):
    """An open order, as margin sees it."""

    symbol: str
    side: int
    position_side: PositionSide
    left: Decimal
    price: Decimal
    reduce_only: bool = False


def decimals(balances: Mapping[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(amount) for asset, amount in balances.items()}


def rules(venue: str, symbol: str = "BTCUSDT", tick: str = "0.10", lot: str = "0.001") -> InstrumentRules:
    return rules_of(Listing(venue, symbol, tick, lot), Facts(lot, "5"))


def account(
    venue: str,
    balances: Mapping[str, str],
    *,
    maker: str = "0.001",
    taker: str = "0.001",
    modes: Modes | None = None,
    **rule: Any,
) -> Account:
    """An account with balances in the wallet of one venue, and one fee rule for all venues of its house."""
    house = venue.partition("_")[0]
    wallet = {"binance_spot": "spot", "binance_usdm": "usdm"}.get(venue, "unified")
    fees = FeeRule(Decimal(maker), Decimal(taker), **rule)
    return open_account(
        "main",
        1,
        1001,
        house,
        balances={wallet: decimals(balances)},
        fee_rules={one: fees for one in VENUES if one.startswith(house)},
        modes=modes,
    )
