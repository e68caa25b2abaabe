"""What a compiled strategy calls of the bot, read from its machine code.

Some of what a bot offers costs memory or time, so a world provides it only to a strategy that calls it. The fact is a
mark in the compiled code itself (`handle.mark_use`): it is there for helpers of any module, and for code that was
loaded from a cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from arb.bot.numba_types import MARK


class Uses(NamedTuple):
    """What a strategy calls, of the methods and attributes that worlds provide on demand."""

    #: `last_trades`.
    trades: bool = False
    #: `bid_depth`, `ask_depth`, `roi_lb_tick`, `roi_ub_tick`: the book is one over a range of prices.
    arrays: bool = False
    #: `bid_qty_at_tick`, `ask_qty_at_tick`, `snapshot`: the book must know levels far from the touch.
    levels: bool = False


def uses_of(dispatcher: Any) -> Uses:
    """What the compiled signatures of a strategy call, themselves or through anything that they call.

    dispatcher: of `strategies.compile_strategy`, compiled.
    """
    slots = {
        variable.name.removeprefix(MARK)
        for result in dispatcher.overloads.values()
        # What Numba links into callers: of code from a cache it is the only part that can be read.
        for variable in result.library._get_module_for_linking().global_variables  # noqa: SLF001
        if variable.name.startswith(MARK)
    }
    return Uses(
        trades="last_trades" in slots,
        arrays=not slots.isdisjoint(("bid_depth", "ask_depth", "roi_lb_tick", "roi_ub_tick")),
        levels=not slots.isdisjoint(("bid_qty_at_tick", "ask_qty_at_tick", "snapshot")),
    )
