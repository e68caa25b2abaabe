"""In what the venues treat orders differently, as data.

What no document says is a default here and a key of `[undocumented.VENUE]` in the accounts file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Policy:
    """The rules of one venue."""

    #: A post-only order that would take is refused without a trace; otherwise it is accepted and ends.
    refuses_post_only: bool = False
    #: The same for a FOK order that cannot be filled.
    refuses_fok: bool = False
    #: A client id is used once for ever; otherwise once among open orders.
    client_ids_once: bool = False
    #: Most new orders by time window; see `order_counts`.
    order_limits: Mapping[str, int] = field(default_factory=dict)
    #: Fills give orders back to the counts.
    gives_back: bool = False
    #: A reduce-only order is cut to the position; otherwise it keeps its quantity and its rest expires.
    cuts_reduce_only: bool = False
    #: A fill's change of balances is reported before the fill.
    is_account_first: bool = False
    #: Locks of funds are reported as changes of balances.
    reports_locks: bool = False
    #: Positions are reported with every change of an order.
    reports_positions: bool = False
    #: Whether a smaller quantity at the same price keeps the order's place in the queue.
    keeps_place: bool = False


_BYBIT = Policy(client_ids_once=True, cuts_reduce_only=True, keeps_place=True)
#: By venue, without limits of orders and without what `Undocumented` decides.
POLICIES = {
    "binance_spot": Policy(gives_back=True, reports_locks=True, keeps_place=True),
    "binance_usdm": Policy(),
    "bybit_spot": replace(_BYBIT, reports_locks=True),
    "bybit_linear": replace(_BYBIT, reports_positions=True),
}
