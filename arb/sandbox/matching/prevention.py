"""A taking order meets a resting one: they are executed, or self-trade prevention ends one of them. Pure.

The taker's mode decides; only for TRANSFER must both orders say so. Both orders lose the prevented lots with DECREMENT
and TRANSFER; with the other modes an order that ends loses all that is left of it.

Source: https://github.com/binance/binance-spot-api-docs/blob/master/faqs/stp_faq.md (read 2026-11-23).
"""

from __future__ import annotations

from collections.abc import Callable

from arb.sandbox.matching.orders import End, EndReason, Fill, Order, Prevented, Prevention, Result

_ENDS_TAKER = (Prevention.EXPIRE_TAKER, Prevention.EXPIRE_BOTH)
_ENDS_MAKER = (Prevention.EXPIRE_MAKER, Prevention.EXPIRE_BOTH)


def effective(taker: Order, maker: Order) -> Prevention:
    """The mode that applies when `taker` meets `maker`; NONE: they are executed."""
    is_same_owner = taker.account == maker.account or (taker.group >= 0 and taker.group == maker.group)
    if not is_same_owner:
        return Prevention.NONE
    if taker.prevention != Prevention.TRANSFER:
        return taker.prevention
    is_transfer = maker.prevention == Prevention.TRANSFER and taker.account != maker.account
    return Prevention.TRANSFER if is_transfer else Prevention.DECREMENT


def meet(taker: Order, maker: Order, tick: int, at_ns: int, match_no: Callable[[], int]) -> list[Result]:
    """Executes `taker` against a resting order at the price of that, or prevents it.

    The caller removes the maker from the resting orders if nothing is left of it. match_no: makes a number.
    """
    mode = effective(taker, maker)
    lots = min(taker.left, maker.left)
    if mode is Prevention.NONE:
        number = match_no()
        taker.filled += lots
        maker.filled += lots
        return [
            Fill(taker, tick, lots, False, at_ns, number, maker),
            Fill(maker, tick, lots, True, at_ns, number, taker),
        ]
    if mode in (Prevention.DECREMENT, Prevention.TRANSFER):
        taker.prevented += lots
        maker.prevented += lots
    if mode in _ENDS_MAKER:
        maker.prevented += maker.left
    if mode in _ENDS_TAKER:
        taker.prevented += taker.left
    results: list[Result] = [Prevented(taker, maker, tick, lots, at_ns, mode == Prevention.TRANSFER)]
    results += [End(order, EndReason.PREVENTED, at_ns) for order in (maker, taker) if not order.left]
    return results
