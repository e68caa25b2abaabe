"""`Bot`: the object that Python holds and passes to a compiled strategy, in every world.

It owns the table of addresses, keeps everything alive that the world reads (arrays, limits, logs), and can stop and
close. A compiled function uses only two of its attributes, `ptr` and `table_address`.

Threads: one thread runs the strategy. `stop` may be called from any thread; `close` only when no strategy runs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numba.core import cgutils
from numba.extending import NativeValue, typeof_impl, unbox

import arb.bot.methods  # noqa: F401  (teaches Numba the methods)
from arb.bot.account import CHARGE
from arb.bot.cache import bot_compiled
from arb.bot.fills import FILL
from arb.bot.function_table import (
    ASSETS,
    CLOSED_TABLE,
    FILLS,
    HOSTED,
    INDEX,
    LIMITS,
    SLOTS,
    STOPPED,
    STOPPING,
    TABLE_SIZE,
)
from arb.bot.log import GrowingLog
from arb.bot.numba_types import BotType, bot_type
from arb.bot.stubs import empty_addresses, holding_addresses
from arb.risk.limits import Limits


class Bot:
    """The Python object of a world, which a strategy is called with.

    ptr: address of the world's object, passed to every function of the table. addresses: address of the C function for
    every slot of `arb.bot.function_table`; missing slots get the constant functions of `arb.bot.stubs`. keep: anything
    that must live as long as the bot, in particular market data arrays. limits: checked before every submit and modify.
    fills: the log that the world itself writes; without it fills are logged when their orders are cleared.
    """

    def __init__(
        self,
        ptr: int,
        addresses: Mapping[str, int],
        *,
        keep: Any = None,
        limits: Limits | None = None,
        fills: GrowingLog | None = None,
    ) -> None:
        unknown = sorted(addresses.keys() - INDEX.keys())
        if unknown:
            raise ValueError(f"no such slots: {', '.join(unknown)}")
        empty = empty_addresses()
        self.ptr = ptr
        self.keep = keep
        self.limits = limits
        self._fills = GrowingLog(FILL) if fills is None else fills
        self._empty = np.array([empty[slot.name] for slot in SLOTS], np.int64)
        self._table = np.zeros(TABLE_SIZE, np.int64)
        self._table[: len(SLOTS)] = [addresses.get(slot.name) or empty[slot.name] for slot in SLOTS]
        self._table[LIMITS] = limits.address if limits else 0
        self._table[FILLS] = 0 if fills is not None else self._fills.address
        self._table[CLOSED_TABLE] = self._empty.ctypes.data
        self._table[ASSETS] = _ask(self._table, "num_assets", ptr)
        self.table_address = int(self._table.ctypes.data)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, here or by the strategy of a bot without a host."""
        return not self._table[CLOSED_TABLE]

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return bool(self._table[STOPPED])

    @property
    def now(self) -> int:
        """The strategy's clock; the largest int64 before its first wait. Not while a strategy runs."""
        return _ask(self._table, "current_timestamp", self.ptr)

    @property
    def fills(self) -> np.ndarray[Any, Any]:
        """Fills logged so far, of dtype `arb.bot.fills.FILL`. All of them once the bot is closed."""
        return self._fills.rows

    @property
    def charges(self) -> np.ndarray[Any, Any]:
        """Funding payments, and fees that were not taken from the quote, of dtype `CHARGE`; none in this world."""
        return np.empty(0, CHARGE)

    @property
    def unpaid_funding(self) -> list[int]:
        """Funding times of each leg that passed with a position but without a known mark price or rate."""
        return []

    @property
    def dropped(self) -> dict[str, int]:
        """How many rows of each log did not fit."""
        return {"fills": self._fills.dropped}

    def collect_fills(self) -> np.ndarray[Any, Any]:
        """All fills so far, including those still in the order dictionary. Clears inactive orders.

        Not while a strategy runs.
        """
        _collect(self)
        return self.fills

    def stop(self) -> None:
        """Ends the run from outside: from now on waits, submits and modifies return 1 and do nothing.

        A call in progress finishes first. Cancels are still sent but do not wait for the response, so that a strategy
        may cancel its orders. Any thread; may be called repeatedly.
        """
        self._table[STOPPED] = 1
        for index in STOPPING:
            self._table[index] = self._empty[index]

    def host(self) -> None:
        """Makes a strategy's `close` act like `stop`; the world stays open, so that its final state can be read."""
        self._table[HOSTED] = 1

    def hold(self, callback: int) -> None:
        """Makes every function of the bot call the C function `void f(void)` at `callback`, which must not return.

        For a strategy that does not end when it is stopped. Any thread; call `release` once the strategy is held.
        """
        addresses = holding_addresses(callback)
        self._released = self._table[: len(SLOTS)].copy()
        self._table[: len(SLOTS)] = [addresses[slot.name] for slot in SLOTS]

    def release(self) -> None:
        """Restores the bot's functions; the strategy stays held forever."""
        self._table[: len(SLOTS)] = self._released

    def close(self) -> int:
        """Logs the last fills and frees the world. Returns 0, or the world's error code.

        A second call does nothing and returns 0. Afterwards every method returns the constants of `arb.bot.stubs`;
        orders and arrays obtained before are invalid. Not while a strategy runs: stop it first.
        """
        if self.is_closed:
            return 0
        self._table[HOSTED] = 0
        code = int(_close(self))
        self.keep = None
        return code

    def __del__(self) -> None:
        """The world's memory has no owner in Python, so it is freed when an unclosed bot is collected.

        Not a `weakref.finalize`: it would hold what the world reads, of which a part holds the bot, for ever. Not at
        exit: the process frees everything itself.
        """
        table = getattr(self, "_table", None)
        if table is not None and table[CLOSED_TABLE] and not sys.is_finalizing():
            table[CLOSED_TABLE] = 0
            _ask(table, "close", self.ptr)

    def __enter__(self) -> Bot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ask(table: np.ndarray[Any, np.dtype[np.int64]], name: str, ptr: int) -> int:
    """Calls a slot that takes only the bot's address and returns an integer."""
    return int(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(int(table[INDEX[name]]))(ptr))


@typeof_impl.register(Bot)
def _typeof_bot(value: Bot, context: Any) -> Any:
    return bot_type


@unbox(BotType)
def _unbox_bot(typ: Any, obj: Any, c: Any) -> Any:
    handle = cgutils.create_struct_proxy(typ)(c.context, c.builder)
    for field, attribute in (("ptr", "ptr"), ("table", "table_address")):
        value = c.pyapi.object_getattr_string(obj, attribute)
        setattr(handle, field, c.pyapi.long_as_longlong(value))
        c.pyapi.decref(value)
    return NativeValue(handle._getvalue(), is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


@bot_compiled
def _close(bot):
    return bot.close()


@bot_compiled
def _collect(bot):
    bot.clear_inactive_orders(-1)
