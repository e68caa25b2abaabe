"""What the host knows of the strategy's orders that its log of decisions does not have: quantities, and refusals.

Whoever answers a session's orders collects it, after the orders have left; `arb.runtime.trading_lines` writes it into
the session's events. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

#: A leg, and the bot's id of one of its orders.
OrderKey: TypeAlias = tuple[int, int]
#: Of each, so many are kept until they are asked for; further ones are left out.
_KEPT_MAX = 20_000


class Rejected(NamedTuple):
    """An order that the venue, or the gate before it, has refused. ts: when the session knew it, on its clock."""

    ts: int
    leg: int
    order_id: int
    reason: str


class OrderNews(NamedTuple):
    """Since the last call. quantities: of the orders that were requested, as the strategy requested them."""

    quantities: Mapping[OrderKey, float] = MappingProxyType({})
    rejected: Sequence[Rejected] = ()


NO_NEWS = OrderNews()


class NewsLog:
    """Collects news of one session's orders."""

    def __init__(self) -> None:
        self._quantities: dict[OrderKey, float] = {}
        self._rejected: list[Rejected] = []

    def placed(self, leg: int, order_id: int, qty: float) -> None:
        """The strategy has requested an order."""
        if len(self._quantities) < _KEPT_MAX:
            self._quantities[leg, order_id] = qty

    def rejected(self, one: Rejected) -> None:
        """An order was refused."""
        if len(self._rejected) < _KEPT_MAX:
            self._rejected.append(one)

    def take(self) -> OrderNews:
        """The news since the last call."""
        if not (self._quantities or self._rejected):
            return NO_NEWS
        news = OrderNews(self._quantities, self._rejected)
        self._quantities, self._rejected = {}, []
        return news
