"""Balances of one wallet of an account, and what open orders lock of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from arb.sandbox.accounts.amounts import ZERO


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
