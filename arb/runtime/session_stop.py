"""What a session that is stopped does before it ends: it balances the legs of an attempt that was in progress.

Ctrl+C, SIGTERM and `--duration` stop a strategy between two of its orders. Then the host balances its pairs as after
`arb halt`, for a bounded time. Not for strategies that take no pairs: what their legs hold together may be meant. The
host's thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from arb.runtime.host import Host
from arb.runtime.live_orders import LiveOrders
from arb.runtime.session import Session

#: Longest time; with the end of the orders and the folder a session has five seconds from a signal on.
BALANCE_S = 2.5
_LOOK_S = 0.01


async def balance_before_end(
    orders: LiveOrders, is_unbalanced: Callable[[], bool], session: Session, host: Host
) -> None:
    """Returns when the pairs are balanced, after BALANCE_S, or with the next Ctrl+C. A halt that is in progress has the
    same time. is_unbalanced: whether orders are open, or the legs of a pair do not balance."""
    if session.is_over:
        return
    pressed, until_ns = host.ctrl_c_count, time.monotonic_ns() + round(BALANCE_S * 1e9)
    if not session.is_halting:
        if not is_unbalanced():
            return
        session.write(
            "end",
            f"stopped in the middle of an attempt: its legs are balanced first, within {BALANCE_S:g} s; a second "
            "Ctrl+C ends the wait",
        )
        session.halt(is_stop=True, unbooked=orders.unbooked())
    while not session.is_over and host.ctrl_c_count == pressed and time.monotonic_ns() < until_ns:
        await asyncio.sleep(_LOOK_S)
