"""The table of addresses behind every bot: its slots in order, their C signatures, and the data cells at its end.

A strategy calls a bot only through this table, so a world (backtest, dry-run, live) is a table and an object pointer. C
signatures are those of hftbacktest's exported functions: booleans are one byte, asset numbers and order ids unsigned
64-bit, everything else a signed 64-bit integer, a double or an address. No slot may be empty: a call of address 0 kills
the process.

Names and arguments are hftbacktest's own, except `account_values` (`arb.bot.account`). This module only declares;
`numba_types` compiles the calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Increment it when slots, their order or their signatures change: it is part of the Numba types' names, so that
#: machine code compiled for another table is never loaded.
ABI = 3


class C(Enum):
    """A C type of an argument or a return value."""

    I64 = "int64"
    U64 = "uint64"
    F64 = "float64"
    U8 = "uint8"
    #: One byte, 0 or 1; a Numba boolean on our side.
    FLAG = "flag"
    #: An address, as a signed integer.
    ADDRESS = "address"
    #: Argument: address of a 64-bit cell that the callee fills; the call also returns its content.
    OUT = "out"
    VOID = "void"


class Owner(Enum):
    """The object whose address is a slot's first argument."""

    BOT = "bot"
    DEPTH = "depth"
    ORDERS = "orders"


@dataclass(frozen=True)
class Slot:
    """One C function of the table. `params` are the names and types after the owner's address.

    A function that `is_static` does not get the owner's address; it is only reached through the owner's
    handle.
    """

    name: str
    owner: Owner
    returns: C
    params: tuple[tuple[str, C], ...] = ()
    is_static: bool = False


_ASSET = ("asset_no", C.U64)
_ORDER = ("order_id", C.U64)
_WAIT = ("wait", C.FLAG)
_SUBMIT = (
    _ASSET,
    _ORDER,
    ("price", C.F64),
    ("qty", C.F64),
    ("time_in_force", C.U8),
    ("order_type", C.U8),
    _WAIT,
)
_TICK = ("price_tick", C.I64)
_LENGTH = ("length", C.OUT)

SLOTS: tuple[Slot, ...] = (
    Slot("current_timestamp", Owner.BOT, C.I64),
    Slot("num_assets", Owner.BOT, C.U64),
    Slot("depth", Owner.BOT, C.ADDRESS, (_ASSET,)),
    Slot("position", Owner.BOT, C.F64, (_ASSET,)),
    Slot("state_values", Owner.BOT, C.ADDRESS, (_ASSET,)),
    Slot("account_values", Owner.BOT, C.ADDRESS, (_ASSET,)),
    Slot("last_trades", Owner.BOT, C.ADDRESS, (_ASSET, _LENGTH)),
    Slot("clear_last_trades", Owner.BOT, C.VOID, (_ASSET,)),
    Slot("orders", Owner.BOT, C.ADDRESS, (_ASSET,)),
    Slot("submit_buy_order", Owner.BOT, C.I64, _SUBMIT),
    Slot("submit_sell_order", Owner.BOT, C.I64, _SUBMIT),
    Slot("modify", Owner.BOT, C.I64, (_ASSET, _ORDER, ("price", C.F64), ("qty", C.F64), _WAIT)),
    Slot("cancel", Owner.BOT, C.I64, (_ASSET, _ORDER, _WAIT)),
    Slot("clear_inactive_orders", Owner.BOT, C.VOID, (_ASSET,)),
    Slot("wait_order_response", Owner.BOT, C.I64, (_ASSET, _ORDER, ("timeout", C.I64))),
    Slot("wait_next_feed", Owner.BOT, C.I64, (("include_order_resp", C.FLAG), ("timeout", C.I64))),
    Slot("elapse", Owner.BOT, C.I64, (("duration", C.I64),)),
    Slot("elapse_bt", Owner.BOT, C.I64, (("duration", C.I64),)),
    Slot("close", Owner.BOT, C.I64),
    Slot("feed_latency", Owner.BOT, C.FLAG, (_ASSET, ("exch_ts", C.OUT), ("local_ts", C.OUT))),
    Slot(
        "order_latency",
        Owner.BOT,
        C.FLAG,
        (_ASSET, ("req_ts", C.OUT), ("exch_ts", C.OUT), ("resp_ts", C.OUT)),
    ),
    Slot("goto_end", Owner.BOT, C.I64),
    Slot("best_bid_tick", Owner.DEPTH, C.I64),
    Slot("best_ask_tick", Owner.DEPTH, C.I64),
    Slot("best_bid", Owner.DEPTH, C.F64),
    Slot("best_ask", Owner.DEPTH, C.F64),
    Slot("best_bid_qty", Owner.DEPTH, C.F64),
    Slot("best_ask_qty", Owner.DEPTH, C.F64),
    Slot("tick_size", Owner.DEPTH, C.F64),
    Slot("lot_size", Owner.DEPTH, C.F64),
    Slot("bid_qty_at_tick", Owner.DEPTH, C.F64, (_TICK,)),
    Slot("ask_qty_at_tick", Owner.DEPTH, C.F64, (_TICK,)),
    Slot("bid_depth", Owner.DEPTH, C.ADDRESS, (_LENGTH,)),
    Slot("ask_depth", Owner.DEPTH, C.ADDRESS, (_LENGTH,)),
    Slot("roi_lb_tick", Owner.DEPTH, C.I64),
    Slot("roi_ub_tick", Owner.DEPTH, C.I64),
    Slot("snapshot", Owner.DEPTH, C.ADDRESS, (_LENGTH,)),
    Slot("snapshot_free", Owner.DEPTH, C.VOID, (("address", C.ADDRESS), ("length", C.U64)), is_static=True),
    Slot("orders_get", Owner.ORDERS, C.ADDRESS, (_ORDER,)),
    Slot("orders_contains", Owner.ORDERS, C.FLAG, (_ORDER,)),
    Slot("orders_len", Owner.ORDERS, C.U64),
    Slot("orders_values", Owner.ORDERS, C.ADDRESS),
    Slot("orders_values_next", Owner.ORDERS, C.ADDRESS, (("values", C.ADDRESS),), is_static=True),
)

#: Index of each slot in the table.
INDEX: dict[str, int] = {slot.name: index for index, slot in enumerate(SLOTS)}

#: Indices of the slots that return END_OF_DATA after `Bot.stop()`.
STOPPING = tuple(
    INDEX[name]
    for name in (
        "elapse",
        "elapse_bt",
        "wait_next_feed",
        "wait_order_response",
        "goto_end",
        "submit_buy_order",
        "submit_sell_order",
        "modify",
    )
)

#: Slots that a world provides at a cost, or in another way, only for strategies that call them, and those that show
#: rows which change no touch: compiled code with such a call carries a mark (`numba_types.mark_use`), which `uses`
#: reads.
ON_DEMAND = frozenset(
    {
        "last_trades",
        "bid_depth",
        "ask_depth",
        "roi_lb_tick",
        "roi_ub_tick",
        "bid_qty_at_tick",
        "ask_qty_at_tick",
        "snapshot",
        "feed_latency",
    }
)

# Data cells, after the functions. 0 is off.
#: Address of the block of `arb.risk.limits.Limits`.
LIMITS = len(SLOTS)
#: Address of the control block of the fill log.
FILLS = len(SLOTS) + 1
#: 1 after `Bot.stop()`: a cancel no longer waits for its response.
STOPPED = len(SLOTS) + 2
#: Address of the table that replaces the functions at `close`; 0 once the bot is closed.
CLOSED_TABLE = len(SLOTS) + 3

#: Number of assets of the bot; unchanged when the bot is closed.
ASSETS = len(SLOTS) + 4

#: 1 if a strategy's `close` leaves the world open for its host.
HOSTED = len(SLOTS) + 5

#: Cells of a table, functions and data.
TABLE_SIZE = len(SLOTS) + 6
