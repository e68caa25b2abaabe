"""Prints docs/bot-interface.md: every method and attribute of hftbacktest's bot and its parts, as ours has it.

`python -m arb.bot.reference > docs/bot-interface.md`. Names and parameters are read from hftbacktest's own classes: a
name that this file does not describe is an error, and a test keeps the document up to date.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

from hftbacktest import binding, order, state

from arb.bot.codes import LIMIT_EXCEEDED

#: Section titles, and the classes of hftbacktest that one of our types replaces.
GROUPS: tuple[tuple[str, str, tuple[type, ...]], ...] = (
    ("Bot", "bot", (binding.HashMapMarketDepthBacktest, binding.ROIVectorMarketDepthBacktest)),
    (
        "Depth, from `bot.depth(asset_no)`",
        "depth",
        (binding.HashMapMarketDepth, binding.ROIVectorMarketDepth),
    ),
    ("Order dictionary, from `bot.orders(asset_no)`", "orders", (binding.OrderDict,)),
    ("Iterator, from `orders.values()`", "values", (binding.Values,)),
    ("Order", "order", (order.Order,)),
    ("State values, from `bot.state_values(asset_no)`", "state", (state.StateValues,)),
)

#: Names with a leading underscore that are part of the interface.
_SPECIAL = ("_goto_end", "__contains__", "__len__")

#: Ours only.
EXTRA: dict[str, tuple[str, ...]] = {"order": ("maker",)}

RETURNS: dict[str, dict[str, str]] = {
    "bot": {
        "current_timestamp": "int64",
        "num_assets": "uint64",
        "depth": "depth",
        "position": "float64",
        "state_values": "state values",
        "last_trades": "array of `event_dtype`, a view",
        "clear_last_trades": "None",
        "orders": "order dictionary",
        **dict.fromkeys(("submit_buy_order", "submit_sell_order", "modify", "cancel"), "int64 code"),
        "clear_inactive_orders": "None",
        **dict.fromkeys(
            ("wait_order_response", "wait_next_feed", "elapse", "elapse_bt", "close", "_goto_end"),
            "int64 code",
        ),
        "feed_latency": "(int64, int64) or None",
        "order_latency": "(int64, int64, int64) or None",
    },
    "depth": {
        **dict.fromkeys(("best_bid_tick", "best_ask_tick", "roi_lb_tick", "roi_ub_tick"), "int64"),
        **dict.fromkeys(("best_bid", "best_ask", "best_bid_qty", "best_ask_qty"), "float64"),
        **dict.fromkeys(("tick_size", "lot_size", "bid_qty_at_tick", "ask_qty_at_tick"), "float64"),
        **dict.fromkeys(("bid_depth", "ask_depth"), "array of float64, a view"),
        "snapshot": "array of `event_dtype`",
        "snapshot_free": "None",
    },
    "orders": {"get": "order or None", "values": "iterator", "__contains__": "bool", "__len__": "int64"},
    "values": {"next": "order or None", "has_next": "bool", "get": "order"},
    "order": {
        **dict.fromkeys(("price", "exec_price", "qty", "leaves_qty", "exec_qty", "tick_size"), "float64"),
        **dict.fromkeys(("price_tick", "exec_price_tick", "exch_timestamp", "local_timestamp"), "int64"),
        **dict.fromkeys(("order_type", "req", "status", "time_in_force"), "uint8"),
        "order_id": "uint64",
        "side": "int8",
        "cancellable": "bool",
        "maker": "bool",
    },
    "state": {
        **dict.fromkeys(("position", "balance", "fee", "trading_volume", "trading_value"), "float64"),
        "num_trades": "int64",
    },
}

_LIMITS = f"{LIMIT_EXCEEDED} when an order-level limit refuses it; nothing is sent."
_NUMBERS = (
    "13, unless a limit has refused it with 20, for a limit order whose price or quantity is NaN, infinite or "
    "negative: hftbacktest sends it, and a sell order at NaN fills."
)
_SUBMIT = (
    f"{_LIMITS} 13 at once for an unknown order type or time in force, which are undefined behaviour in "
    f"hftbacktest. {_NUMBERS}"
)
_GUARD = (
    "12 for an order that is filled, cancelled, expired or rejected: hftbacktest sends the request, and "
    "applies the fill a second time."
)
_ARRAYS = "A strategy that reads it runs on books over a range of prices (see above)."
_AT_TICK = "Any price; NaN outside the range for a strategy that reads the arrays, as in hftbacktest."
_HASHMAP_ONLY = "Hashmap bot only in hftbacktest."
_UNPACK = "Test for None, then unpack: Numba cannot index what may be None."
_STOP = "1 from `Bot.stop()` on."

#: Where we differ, and why; and what hftbacktest's own documentation leaves out.
NOTES: dict[str, dict[str, str]] = {
    "bot": {
        "current_timestamp": "The largest int64 before the first wait, as in hftbacktest.",
        "last_trades": "Valid until the next wait or `clear_last_trades`.",
        "submit_buy_order": _SUBMIT,
        "submit_sell_order": _SUBMIT,
        "modify": f"{_GUARD} {_LIMITS} {_NUMBERS} hftbacktest's engine fills an order that was made larger only "
        "up to its old quantity.",
        "cancel": f"{_GUARD} After `Bot.stop()` it is sent without waiting.",
        "clear_inactive_orders": "Writes filled orders to the fill log first.",
        "wait_order_response": f"0 on the response and on the timeout. {_STOP}",
        "wait_next_feed": f"{_STOP} A strategy that submits at every order response never reaches the end of the "
        "data, because each response moves the clock.",
        "elapse": _STOP,
        "elapse_bt": _STOP,
        "close": "Logs the last fills and ends the run: waits and requests return 1. Closing again and any use after "
        "it are harmless; hftbacktest crashes.",
        "feed_latency": _UNPACK,
        "order_latency": f"{_UNPACK} After a cancel it still returns the times of the last order, as in hftbacktest.",
        "_goto_end": f"{_HASHMAP_ONLY} Otherwise 1, and the clock does not move.",
    },
    "depth": {
        "best_bid_qty": "0.0 for an empty side, as in hftbacktest's hash-map book. The quantity for a strategy that "
        "reads the arrays too, where hftbacktest returns the price.",
        "best_ask_qty": "As `best_bid_qty`.",
        "bid_qty_at_tick": _AT_TICK,
        "ask_qty_at_tick": _AT_TICK,
        "roi_lb_tick": _ARRAYS,
        "roi_ub_tick": _ARRAYS,
        "bid_depth": _ARRAYS,
        "ask_depth": _ARRAYS,
        "snapshot": f"{_HASHMAP_ONLY} A copy, valid for as long as it is referenced. For a strategy that reads the "
        "arrays too: the levels of the range.",
        "snapshot_free": f"{_HASHMAP_ONLY} Does nothing, since a snapshot is a copy; hftbacktest's ends the process "
        "when an array is freed twice, or is not a snapshot.",
    },
    "orders": {
        "values": "The orders of this moment. hftbacktest's leaks unless it is run to its end, and reads "
        "freed memory when orders are submitted or cleared meanwhile; ours does neither.",
        "__len__": "`len(orders)`. hftbacktest's is unsigned, which turns `len(orders) - 1` into a float.",
        "__contains__": "`order_id in orders`.",
    },
    "values": {"get": "RuntimeError without a preceding `has_next()` that was true, as in hftbacktest."},
    "order": {
        "tick_size": "The tick size; hftbacktest returns `price_tick`.",
        "maker": "Ours only: whether the execution added liquidity.",
    },
    "state": {},
}

_HEAD = """\
# The bot's interface

Generated by `python -m arb.bot.reference > docs/bot-interface.md`; a test checks that it is up to date.

A strategy is a Numba function of a bot. The bot's names, parameters and return codes are hftbacktest's own,
so what is written for `HashMapMarketDepthBacktest` or `ROIVectorMarketDepthBacktest` runs unchanged, by
position or by keyword; one compiled function runs on both, in dry-runs and live. The last column states where a method
differs from hftbacktest's.

Return codes (`arb.bot.codes`): 0 done or timeout, 1 end of data, 2 market feed, 3 order response, 10 order id
exists, 11 request in process, 12 order not found, 13 invalid request, 14 invalid status, 15 and 100 data
errors; ours: 20 refused by a limit. A strategy returns when a wait returns 1, and on any code above 3 that it
does not handle.

`clear_last_trades` and `clear_inactive_orders` accept `ALL_ASSETS` (-1). Any other asset number that the
bot does not have raises IndexError in a strategy, in every world; hftbacktest ends the process. Orders, views
and state values are valid until the bot is closed, orders and views only until the next request, wait or
clear.

Every returned value is the same in a backtest, in a dry-run and in `arb verify` over the same rows
(`tests/unit/bot/test_interface.py`, `python -m tests.parity.differential`). A strategy whose compiled code reads
`bid_depth`, `ask_depth`, `roi_lb_tick` or `roi_ub_tick` runs on hftbacktest's book over a range of prices, `roi_lb` to
`roi_ub` of `[symbols.X]` in the venue's file or a fifth below and above the first mid; any other strategy gets the
values of its hash-map book."""


def members(group: str, classes: tuple[type, ...]) -> dict[str, str]:
    """Public names of hftbacktest's classes, and ours on top, with their parameters; "" for an attribute."""
    names: dict[str, str] = {}
    for owner in classes:
        for name, member in vars(owner).items():
            if name.startswith("_") and name not in _SPECIAL:
                continue
            if isinstance(member, property):
                names.setdefault(name, "")
            elif inspect.isfunction(member):
                parameters = list(inspect.signature(member).parameters)[1:]
                names.setdefault(name, f"({', '.join(parameters)})")
    for name in EXTRA.get(group, ()):
        names.setdefault(name, "")
    return names


def document() -> Iterator[str]:
    """Lines of the document. Raises KeyError on a name of hftbacktest's that this file does not know."""
    yield _HEAD
    for title, group, classes in GROUPS:
        yield f"\n## {title}\n"
        yield "| name | returns | notes |"
        yield "|---|---|---|"
        for name, parameters in members(group, classes).items():
            yield f"| `{name}{parameters}` | {RETURNS[group][name]} | {NOTES[group].get(name, '')} |"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in document())
