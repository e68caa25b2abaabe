"""One account at one house: Binance with wallets for spot and USD-M, or Bybit with one unified wallet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb.sandbox.accounts.fees import FeeRule
from arb.sandbox.accounts.ledger import Ledger
from arb.sandbox.accounts.modes import Modes
from arb.sandbox.accounts.positions import Positions
from arb.sandbox.accounts.wallet import Wallet

#: The wallets of each house, by venue.
_WALLETS = {
    "binance": {"binance_spot": "spot", "binance_usdm": "usdm"},
    "bybit": {"bybit_spot": "unified", "bybit_linear": "unified"},
}
#: Wallets that can owe after losses.
_MARGIN_WALLETS = ("usdm", "unified")


@dataclass
class Account:
    """An account; `open_account` makes it. Its balances change by `ledger` only, its positions by `positions`."""

    id: str
    #: Unique in the sandbox, as matchers name it.
    no: int
    #: The venue's number of the account.
    uid: int
    house: str
    #: Trade group of self-trade prevention; -1: none.
    group: int
    wallets: Mapping[str, Wallet]
    ledger: Ledger
    positions: Positions
    modes: Modes
    #: By venue.
    fee_rules: Mapping[str, FeeRule]

    def wallet(self, venue: str) -> Wallet:
        """The wallet of a venue; both of Bybit have the same."""
        return self.wallets[_WALLETS[self.house][venue]]


def open_account(
    id: str,
    no: int,
    uid: int,
    house: str,
    *,
    balances: Mapping[str, Mapping[str, Decimal]],
    fee_rules: Mapping[str, FeeRule],
    modes: Modes | None = None,
    group: int = -1,
    opened_ns: int = 0,
) -> Account:
    """An account with its first balances, by wallet: "spot", "usdm", "unified". No positions."""
    names = dict.fromkeys(_WALLETS[house].values())
    wallets = {
        name: Wallet(name, balances.get(name, {}), is_margin=name in _MARGIN_WALLETS, opened_ns=opened_ns)
        for name in names
    }
    modes = modes or Modes()
    return Account(
        id, no, uid, house, group, wallets, Ledger(wallets.values()), Positions(modes), modes, fee_rules
    )
