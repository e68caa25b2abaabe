"""Bybit's limits of requests a second, per UID and endpoint, shared by REST and websockets of both addresses. Pure.

Source: bybit-exchange/docs v5 `rate-limit/rate-limit.mdx` (read 2026-07-24), a rolling second. Batches are counted by
their orders; the part over the limit is refused.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from connectors.units import MILLISECOND, SECOND

#: Requests a second on linear and on spot, or of both together.
_LIMITS: dict[str, tuple[int, int] | int] = {
    "order/create": (10, 20),
    "order/amend": (10, 10),
    "order/cancel": (10, 20),
    "order/cancel-all": (10, 20),
    "order/create-batch": (10, 20),
    "order/amend-batch": (10, 20),
    "order/cancel-batch": (10, 20),
    "order/pre-check": (10, 20),
    "order/disconnected-cancel-all": 5,
    "order/realtime": 50,
    "order/history": 50,
    "execution/list": 50,
    "position/list": 50,
    "position/set-leverage": 10,
    "position/switch-mode": 10,
    "account/wallet-balance": 50,
    "account/info": 50,
    "account/transaction-log": 25,
    "account/fee-rate": 5,
    "account/query-dcp-info": 5,
    "account/set-margin-mode": 5,
    "user/query-api": 10,
    "asset/coin/query-info": 5,
}


class Allowance(NamedTuple):
    """The state of one limit after a request."""

    limit: int
    left: int
    reset_ms: int
    #: How many of the orders that were counted are within the limit.
    admitted: int

    def headers(self) -> dict[str, str]:
        """The headers of an answer."""
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_ms),
        }


class UidLimits:
    """The requests of the last second of all UIDs. `factor` multiplies the limits; 0 disables them."""

    def __init__(self, factor: int = 1) -> None:
        self._factor = factor
        self._times: dict[tuple[int, str, bool], deque[int]] = {}

    def count(self, uid: int, endpoint: str, category: str, now_ns: int, orders: int = 1) -> Allowance:
        """Counts a request, or the orders of a batch. endpoint: such as "order/create"."""
        most = _LIMITS[endpoint]
        is_spot = isinstance(most, tuple) and category == "spot"
        limit = (most[is_spot] if isinstance(most, tuple) else most) * self._factor
        times = self._times.setdefault((uid, endpoint, is_spot), deque())
        while times and times[0] <= now_ns - SECOND:
            times.popleft()
        admitted = min(orders, limit - len(times)) if limit else orders
        if limit:
            times.extend([now_ns] * admitted)
        is_over = admitted < orders
        reset_ns = times[0] + SECOND if is_over and times else now_ns
        return Allowance(limit, limit - len(times) if limit else 0, -(-reset_ns // MILLISECOND), admitted)
