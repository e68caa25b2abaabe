"""Which methods of the bot a compiled strategy calls, read from its machine code.

Some methods cost memory or time, so a world provides them only to a strategy that calls them; some show rows that a
sweep would leave out (`arb.sweep.needs`). Each use is marked in the
compiled code itself (`numba_types.mark_use`): this covers helpers in any module, and code loaded from a cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from arb.bot.error_lines import STACK_END
from arb.bot.numba_types import MARK


class Uses(NamedTuple):
    """The methods and attributes that a strategy uses, of those on which its world or its rows depend."""

    #: `last_trades`.
    trades: bool = False
    #: `bid_depth`, `ask_depth`, `roi_lb_tick`, `roi_ub_tick`: the book needs a fixed price range.
    arrays: bool = False
    #: `bid_qty_at_tick`, `ask_qty_at_tick`, `snapshot`: the book must keep levels far from the touch.
    levels: bool = False
    #: `feed_latency`, which every row of the leg changes.
    latency: bool = False


def uses_of(dispatcher: Any) -> Uses:
    """The uses of a strategy's compiled signatures, direct or through functions that they call.

    dispatcher: from `compilation.compile_strategy`, compiled.
    """
    slots = {
        variable.name.removeprefix(MARK)
        for result in dispatcher.overloads.values()
        # The module that Numba links into callers: of cached code nothing else can be read.
        for variable in result.library._get_module_for_linking().global_variables  # noqa: SLF001
        if variable.name.startswith(MARK)
    }
    return Uses(
        trades="last_trades" in slots,
        arrays=not slots.isdisjoint(("bid_depth", "ask_depth", "roi_lb_tick", "roi_ub_tick")),
        levels=not slots.isdisjoint(("bid_qty_at_tick", "ask_qty_at_tick", "snapshot")),
        latency="feed_latency" in slots,
    )


def calls_itself(dispatcher: Any) -> bool:
    """Whether a strategy, or a function that it calls, is recursive: its stack has a bound (`error_lines`), which is
    one for the whole process, so two of them must not run at the same time.

    dispatcher: as of `uses_of`.
    """
    return any(
        function.name == STACK_END
        for result in dispatcher.overloads.values()
        for function in result.library._get_module_for_linking().functions  # noqa: SLF001
    )
