"""Balances of one wallet of an account, and what open orders lock of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb.errors import InvariantError
from arb.sandbox.accounts.amounts import ZERO, plain


class ShortfallError(Exception):
    """A lock needs more than is free; nothing was changed."""

    def __init__(self, asset: str, amount: Decimal, free: Decimal) -> None:
        """amount: what was to be locked."""
        super().__init__(f"{plain(amount)} {asset} needed, {plain(free)} free")
        self.asset = asset
        self.amount = amount
        self.free = free


@dataclass(frozen=True, slots=True)
class AssetView:
    """A balance after the change; `changed` is by how much the total changed without trades' profit and fees."""

    asset: str
    total: Decimal
    locked: Decimal
    changed: Decimal = ZERO

    @property
    def free(self) -> Decimal:
        return self.total - self.locked


class Wallet:
    """Totals by asset, which only `Ledger.post` changes, and one lock per open order.

    name: "spot" and "usdm" at Binance, "unified" at Bybit. is_margin: totals may be negative, after losses.
    """

    def __init__(
        self, name: str, balances: Mapping[str, Decimal], *, is_margin: bool = False, opened_ns: int = 0
    ) -> None:
        self.name = name
        self.is_margin = is_margin
        self._totals = dict(balances)
        self._locked: dict[str, Decimal] = {}
        self._locks: dict[int, tuple[str, Decimal]] = {}
        self._updated_ns = dict.fromkeys(balances, opened_ns)

    def assets(self) -> list[str]:
        """All assets that it holds or ever held, in order of their first appearance."""
        return list(self._totals)

    def total(self, asset: str) -> Decimal:
        return self._totals.get(asset, ZERO)

    def locked(self, asset: str) -> Decimal:
        return self._locked.get(asset, ZERO)

    def free(self, asset: str) -> Decimal:
        """What a new order can lock; negative after losses of a margin wallet only."""
        return self.total(asset) - self.locked(asset)

    def view(self, asset: str, changed: Decimal = ZERO) -> AssetView:
        """A copy of a balance, for events and answers."""
        return AssetView(asset, self.total(asset), self.locked(asset), changed)

    def lock(self, order_no: int, asset: str, amount: Decimal) -> None:
        """Adds to an order's lock, which is of one asset. Raises ShortfallError if less than `amount` is free."""
        held, before = self._locks.get(order_no, (asset, ZERO))
        if amount < 0 or held != asset:
            raise InvariantError(f"order {order_no} cannot lock {plain(amount)} {asset} beside its {held}")
        free = self.free(asset)
        if amount > free:
            raise ShortfallError(asset, amount, free)
        self._locks[order_no] = asset, before + amount
        self._locked[asset] = self.locked(asset) + amount

    def release(self, order_no: int, amount: Decimal | None = None) -> Decimal:
        """Ends a part of an order's lock; None: all of it. Returns what was released; 0 without a lock."""
        if order_no not in self._locks:
            if amount:
                raise InvariantError(f"order {order_no} has no lock of which to release {plain(amount)}")
            return ZERO
        asset, held = self._locks[order_no]
        released = held if amount is None else amount
        if not 0 <= released <= held:
            raise InvariantError(f"order {order_no} locks {plain(held)} {asset}, not {plain(released)}")
        if released == held:
            del self._locks[order_no]
        else:
            self._locks[order_no] = asset, held - released
        self._locked[asset] -= released
        return released

    def locked_by(self, order_no: int) -> Decimal:
        """What an order locks; 0 without a lock."""
        return self._locks[order_no][1] if order_no in self._locks else ZERO

    def locks(self) -> Iterator[tuple[int, str, Decimal]]:
        """All locks: order number, asset, amount."""
        return ((no, asset, amount) for no, (asset, amount) in self._locks.items())

    def updated_ns(self, asset: str) -> int:
        """When the total last changed; 0: not since the start."""
        return self._updated_ns.get(asset, 0)

    def add(self, asset: str, amount: Decimal, at_ns: int) -> None:
        """Changes a total. Called by `Ledger.post` only, which checks and records it."""
        self._totals[asset] = self.total(asset) + amount
        self._updated_ns[asset] = at_ns
