"""Accounts, keys, delays and assumptions with which a sandbox begins; `arb.config.accounts` reads them from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from arb.sandbox.accounts.account import Account, open_account
from arb.sandbox.accounts.amounts import MODES, ZERO
from arb.sandbox.accounts.fees import FeeRule
from arb.sandbox.accounts.keys import ApiKey
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import PositionSide
from arb.sandbox.trading.delivery import Delays
from arb.sandbox.trading.undocumented import DEFAULTS, Undocumented

#: Fee rates of a new account, by venue: (maker, taker). Those of the venues' lowest fee level (read 2026-07).
FEES = {
    "binance_spot": (Decimal("0.001"), Decimal("0.001")),
    "binance_usdm": (Decimal("0.0002"), Decimal("0.0005")),
    "bybit_spot": (Decimal("0.001"), Decimal("0.001")),
    "bybit_linear": (Decimal("0.0002"), Decimal("0.00055")),
}
#: Balances of a new account in every wallet.
BALANCES = {"BTC": Decimal(10), "ETH": Decimal(100), "USDT": Decimal(500_000)}
#: What Binance deducts from a fee that is paid in BNB. Source: commission_faq.md ("discount": 0.25).
_DISCOUNT = Decimal("0.25")
Matching = Literal["levels", "whole"]
WALLETS = {"binance": ("spot", "usdm"), "bybit": ("unified",)}


@dataclass(frozen=True)
class HeldPosition:
    """A position with which an account begins."""

    symbol: str
    side: PositionSide
    #: Signed.
    quantity: Decimal
    entry: Decimal


@dataclass(frozen=True)
class Fees:
    """Fee rates at one venue, and the asset in which fees of spot are paid; see `FeeRule`."""

    maker: Decimal
    taker: Decimal
    asset: str = "received"


@dataclass(frozen=True)
class AccountSetup:
    """One account at both houses."""

    id: str
    trade_group: int = -1
    #: By wallet: "spot", "usdm", "unified".
    balances: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    #: By venue; `FEES` without.
    fees: Mapping[str, Fees] = field(default_factory=dict)
    #: By house.
    modes: Mapping[str, Modes] = field(default_factory=dict)
    positions: Mapping[str, tuple[HeldPosition, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class TradingSetup:
    """Everything that the accounts file and the options of the sandbox describe."""

    accounts: tuple[AccountSetup, ...]
    keys: tuple[ApiKey, ...]
    matching: Matching = "levels"
    delays: Mapping[str, Delays] = field(default_factory=dict)
    undocumented: Mapping[str, Undocumented] = field(default_factory=dict)
    #: By venue, for "whole": model and power of the queue; `WholeMatcher`'s own without.
    queues: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    def assumptions(self, venue: str) -> Undocumented:
        """What is assumed about a venue."""
        return self.undocumented.get(venue, DEFAULTS[venue])


def usual_account(id: str = "main") -> AccountSetup:
    """The account of a sandbox without an accounts file."""
    return AccountSetup(id, 1, balances={name: BALANCES for wallets in WALLETS.values() for name in wallets})


def open_accounts(setup: TradingSetup, start_ns: int = 0) -> dict[str, dict[str, Account]]:
    """The accounts by house and id."""
    opened: dict[str, dict[str, Account]] = {house: {} for house in WALLETS}
    no = 0
    for one in setup.accounts:
        for house in WALLETS:
            no += 1
            rules = {venue: _fee_rule(setup, one, venue) for venue in FEES if venue.startswith(house)}
            modes = replace(one.modes[house]) if house in one.modes else _usual_modes(house)
            account = open_account(
                one.id,
                no,
                100_000_000 + no,
                house,
                balances={name: one.balances.get(name, {}) for name in WALLETS[house]},
                fee_rules=rules,
                modes=modes,
                group=one.trade_group,
                opened_ns=start_ns,
            )
            for held in one.positions.get(house, ()):
                account.positions.apply(held.symbol, held.side, held.quantity, held.entry, 0)
            opened[house][one.id] = account
    return opened


def _usual_modes(house: str) -> Modes:
    return Modes() if house == "binance" else Modes(margin="REGULAR_MARGIN", leverage_default=10)


def _fee_rule(setup: TradingSetup, one: AccountSetup, venue: str) -> FeeRule:
    maker, taker = FEES[venue]
    fees = one.fees.get(venue, Fees(maker, taker))
    assumed = setup.assumptions(venue)
    discount = _DISCOUNT if assumed.bnb_discount_is == "factor" else 1 - _DISCOUNT
    if venue == "binance_usdm":
        discount = Decimal("0.9")  # the documented 10 % of USD-M
    return FeeRule(
        fees.maker,
        fees.taker,
        fees.asset,
        bnb_factor=discount if venue.startswith("binance") else ZERO + 1,
        places=assumed.fee_places,
        rounding=MODES[assumed.fee_rounding],
    )
