"""The ledger of one account: every change of a balance with its cause, and the proof that they add up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum, auto
from typing import NamedTuple

from arb.errors import InvariantError
from arb.sandbox.accounts.amounts import ZERO, plain
from arb.sandbox.accounts.wallet import Wallet

#: Entries that are kept; older ones remain in the sums.
ENTRIES_MAX = 20_000


class EntryCause(Enum):
    """Why a balance changed."""

    TRADE_BASE = auto()
    TRADE_QUOTE = auto()
    #: Realized profit of a position, without fees.
    REALIZED = auto()
    FEE = auto()
    FUNDING = auto()
    TRANSFER = auto()
    LIQUIDATION_FEE = auto()
    #: The venue's insurance fund pays what a liquidated account owes.
    INSURANCE = auto()


class Entry(NamedTuple):
    """One change of one balance. `no` rises by 1 within an account."""

    no: int
    at_ns: int
    venue: str
    asset: str
    #: Signed: positive if the account receives it.
    amount: Decimal
    cause: EntryCause
    symbol: str
    order_id: str
    trade_id: int


#: (asset, signed amount, cause)
Change = tuple[str, Decimal, EntryCause]


class Ledger:
    """The only writer of the totals of an account's wallets."""

    def __init__(self, wallets: Iterable[Wallet]) -> None:
        self._wallets = {wallet.name: wallet for wallet in wallets}
        self._initial = {
            (wallet.name, asset): wallet.total(asset)
            for wallet in self._wallets.values()
            for asset in wallet.assets()
        }
        self._no = 0
        #: The newest entries, oldest first.
        self.entries: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        #: Of all entries, by (wallet's name, asset, cause).
        self.sums: dict[tuple[str, str, EntryCause], Decimal] = {}

    def initial(self, wallet: str, asset: str) -> Decimal:
        """The balance with which the account was opened."""
        return self._initial.get((wallet, asset), ZERO)

    def post(
        self,
        wallet: Wallet,
        at_ns: int,
        venue: str,
        changes: Sequence[Change],
        symbol: str = "",
        order_id: str = "",
        trade_id: int = 0,
    ) -> tuple[Entry, ...]:
        """Changes balances together; amounts of 0 are left out. Returns the entries.

        Raises InvariantError, without any change, if a balance of a wallet without margin would be negative.
        """
        changes = [change for change in changes if change[1]]
        if not wallet.is_margin:
            for asset in {change[0] for change in changes}:
                after = sum((amount for one, amount, _ in changes if one == asset), wallet.total(asset))
                if after < 0:
                    raise InvariantError(f"{symbol} order {order_id}: {plain(after)} {asset} would be left")
        entries = []
        for asset, amount, cause in changes:
            self._no += 1
            entries.append(Entry(self._no, at_ns, venue, asset, amount, cause, symbol, order_id, trade_id))
            wallet.add(asset, amount, at_ns)
            key = wallet.name, asset, cause
            self.sums[key] = self.sums.get(key, ZERO) + amount
        self.entries += entries
        return tuple(entries)

    def check(self) -> None:
        """Raises InvariantError, naming wallet and asset, unless each initial balance and its entries are the balance.

        Also unless the orders' locks are what is locked and, in wallets without margin, no more than the balance.
        """
        for wallet in self._wallets.values():
            expected = {asset: self.initial(wallet.name, asset) for asset in wallet.assets()}
            for (name, asset, _), amount in self.sums.items():
                if name == wallet.name:
                    expected[asset] = expected.get(asset, ZERO) + amount
            locked = dict.fromkeys(expected, ZERO)
            for _, asset, amount in wallet.locks():
                locked[asset] = locked.get(asset, ZERO) + amount
            for asset in locked:
                _same(wallet, asset, "balance", wallet.total(asset), expected.get(asset, ZERO))
                _same(wallet, asset, "locked", wallet.locked(asset), locked[asset])
                if wallet.free(asset) < 0 and not wallet.is_margin:
                    raise InvariantError(f"{wallet.name} {asset}: {plain(wallet.free(asset))} is free")


def _same(wallet: Wallet, asset: str, what: str, found: Decimal, expected: Decimal) -> None:
    if found != expected:
        raise InvariantError(f"{wallet.name} {asset}: {what} {plain(found)}, by the ledger {plain(expected)}")
