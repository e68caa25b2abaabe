"""The live bot: the common bot type over a world whose rows and responses are supplied from outside.

`LiveWorld` creates the records and takes rows for the bot; the side that answers requests attaches itself to its port.
`LiveBot` is the bot over a world. Neither knows who answers.
"""

from __future__ import annotations

import ctypes
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from hftbacktest.types import LOCAL_EVENT, state_values_dtype

from arb.bot.account import ACCOUNT, CHARGE
from arb.bot.bot import Bot
from arb.bot.fills import FILL
from arb.bot.function_table import STOPPED
from arb.bot.log import GrowingLog
from arb.engine.blocks import Blocks
from arb.engine.book import BOOK, WIDTH, fix_range, make_book
from arb.engine.functions import live_addresses
from arb.engine.order_table import QUEUE, make_orders, make_queue
from arb.engine.port import PORT
from arb.engine.price_range import PriceRange
from arb.engine.row_stream import Stream
from arb.engine.timeline import advance_callback, next_due
from arb.engine.world import (
    ANSWER,
    ASSET,
    FEE_AS_RECEIVED,
    FEE_IN_OTHER,
    FEE_IN_QUOTE,
    NEVER,
    TRADES,
    WAIT_NONE,
    WORLD,
    set_fields,
)
from arb.leg import IN_RECEIVED, Leg
from arb.risk.limits import Limits

_HORIZON, _LATEST = ((WORLD.names or ()).index(name) for name in ("horizon", "latest"))
_QUEUE = QUEUE.names or ()
_CALL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


class LiveWorld:
    """The records of a world, for the host. The host's thread; not while the strategy runs."""

    def __init__(
        self,
        legs: Sequence[Leg],
        *,
        keep_trades: bool = False,
        is_live: bool = False,
        start_ts: int = 0,
        book_width: int = WIDTH,
    ) -> None:
        """keep_trades: whether the strategy reads public trades. is_live: responses may be late, as on live data.

        start_ts: when the clock starts; 0: at the first event. To replay an earlier run, pass that run's
        `LiveWorld.start_ts`. book_width: ticks of the books' dense windows.
        """
        if not legs:
            raise ValueError("a bot needs at least one asset")
        self.blocks = Blocks()
        self.legs = tuple(legs)
        #: Requests leave here; see `arb.engine.port`.
        self.port = self.blocks.record(PORT, next_ts=NEVER, horizon=NEVER)
        self.record = self.blocks.record(
            WORLD,
            num_assets=len(legs),
            now=NEVER,
            deadline=NEVER,
            horizon=-1,
            is_live=int(is_live),
            start_ts=start_ts,
            port=self.port.ctypes.data,
            advance=advance_callback().address,
        )
        # All fields have 64 bits; setting them by index is much faster than by name.
        self._cells = self.record.view(np.int64)
        self.address = int(self.record.ctypes.data)
        #: Rows for the bot, one stream per leg.
        self.streams = [Stream(self.blocks, LOCAL_EVENT) for _ in legs]
        # The last record is what an unknown asset number reads.
        self.assets = np.zeros(len(legs) + 1, ASSET)
        self._states = np.zeros(len(legs) + 1, state_values_dtype)
        #: The public trades of each leg.
        self.trades = [self.blocks.record(TRADES) for _ in range(len(legs) + 1)]
        self._accounts = np.zeros(len(legs) + 1, ACCOUNT)
        self._answers = GrowingLog(ANSWER)
        #: Rows of FILL, written when the bot receives an execution.
        self.fill_log = GrowingLog(FILL)
        self._charges = GrowingLog(CHARGE)
        self._host: Any = None
        for number, leg in enumerate(legs):
            self._fill(number, leg, book_width)
            set_fields(
                self.assets[number : number + 1],
                keeps_trades=int(keep_trades),
                rows=self.streams[number].address,
            )
        nan = float("nan")
        unknown = dataclasses.replace(
            legs[0],
            tick_size=nan,
            lot_size=nan,
            contract_size=1.0,
            maker_fee=0.0,
            taker_fee=0.0,
            opening_position=0.0,
        )
        self._fill(len(legs), unknown, 2)
        set_fields(self.record, assets=self.assets.ctypes.data, answers=self._answers.address)
        set_fields(self.record, fills=self.fill_log.address, charges=self._charges.address)

    def _fill(self, number: int, leg: Leg, book_width: int) -> None:
        blocks = self.blocks
        opening = leg.opening_position * leg.contract_size * leg.opening_price
        set_fields(
            self._states[number : number + 1],
            position=leg.opening_position,
            balance=-opening if opening else 0.0,
        )
        set_fields(
            self.assets[number : number + 1],
            number=number,
            tick_size=leg.tick_size,
            contract_size=leg.contract_size,
            maker_fee=leg.maker_fee,
            taker_fee=leg.taker_fee,
            book=make_book(blocks, leg.tick_size, leg.lot_size, book_width, self.address),
            orders=make_orders(blocks, self.address),
            state=self._states[number : number + 1].ctypes.data,
            is_spot=int(leg.is_spot),
            fee_asset=_fee_code(leg),
            account=self._accounts[number : number + 1].ctypes.data,
            requests=make_queue(blocks),
            responses=make_queue(blocks),
            trades=self.trades[number].ctypes.data,
        )

    def book_cells(self) -> list[Any]:
        """The fields of each leg's book (`arb.engine.book.BOOK`), all of 64 bits; the world must outlive them."""
        addresses = self.assets["book"][: len(self.legs)].tolist()
        return [(ctypes.c_int64 * len(BOOK.names or ())).from_address(address) for address in addresses]

    def attach(self, serve: int, side: int = 0) -> None:
        """Attaches the answering side: the address of its C function `Port.serve`, and of what it needs."""
        set_fields(self.port, serve=serve, side=side)

    def set_host(self, callback: Any) -> None:
        """Sets the C function that a wait calls when it needs more data; keeps it alive."""
        self._host = callback
        self.record["park"] = ctypes.cast(callback, ctypes.c_void_p).value or 0

    def set_horizon(self, local_ts: int) -> None:
        """All rows and responses for the bot up to this time have been appended. `NEVER`: no more follow."""
        self._cells[_HORIZON] = local_ts

    def start_at(self, start_ts: int) -> None:
        """Starts the clock at this time, not at the first event; before the first wait."""
        self.record["start_ts"] = start_ts

    def reach(self, local_ts: int) -> None:
        """Answers that are put from now on are received after this time."""
        self._cells[_LATEST] = max(int(self._cells[_LATEST]), local_ts)

    def settle(self, until_ts: int) -> None:
        """Applies the responses received up to this time to orders and accounts, after the strategy has ended.

        Requests that the answering side has not taken are dropped.
        """
        if not self.record["is_started"][0]:
            return
        for address in self.assets["requests"][: len(self.legs)]:
            queue = (ctypes.c_int64 * len(_QUEUE)).from_address(int(address))
            queue[_QUEUE.index("head")] = queue[_QUEUE.index("count")] = 0
        set_fields(self.record, deadline=NEVER, wants_feed=0, wants_response=WAIT_NONE)
        self.set_horizon(max(until_ts, int(self._cells[_HORIZON])))
        _CALL(advance_callback().address)(self.address)

    @property
    def is_live(self) -> bool:
        """Whether responses may be late."""
        return bool(self.record["is_live"][0])

    @property
    def answers(self) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
        """The responses so far, in the order in which the strategy received them, of dtype `ANSWER`.

        Beyond 16 million of them further ones are dropped.
        """
        return self._answers.rows

    @property
    def fills(self) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
        """The executions so far, in order of receipt, of dtype `arb.bot.fills.FILL`."""
        return self.fill_log.rows

    @property
    def charges(self) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
        """Funding payments, and fees that the leg's rates and the quote do not give, of dtype `CHARGE`, in order of
        receipt."""
        return self._charges.rows

    @property
    def dropped(self) -> dict[str, int]:
        """Responses and charges that did not fit in their log, and public trades beside those of their leg."""
        trades = sum(int(one["dropped"][0]) for one in self.trades)
        return {
            "responses": self._answers.dropped,
            "funding payments and fees": self._charges.dropped,
            "public trades": trades,
        }

    @property
    def next_due(self) -> int:
        """When the host must resume the strategy if no row arrives: the end of its wait or a response."""
        return int(next_due(self.address))

    @property
    def start_ts(self) -> int:
        """When the clock started; 0 before."""
        return int(self.record["start_ts"][0])

    @property
    def heartbeat(self) -> int:
        """Calls of the bot so far."""
        return int(self.record["heartbeat"][0])

    @property
    def lost(self) -> int:
        """Requests and responses lost because a queue was full; if not 0, the results are invalid."""
        return int(self.record["lost"][0])


def _fee_code(leg: Leg) -> int:
    if leg.has_named_fee_asset:
        return FEE_IN_OTHER
    return FEE_AS_RECEIVED if leg.fee_asset == IN_RECEIVED and leg.is_spot else FEE_IN_QUOTE


class LiveBot(Bot):
    """The bot over a world to which an answering side is attached."""

    def __init__(self, world: LiveWorld, *, keep: object = None, limits: Limits | None = None) -> None:
        """keep: the answering side's objects, which must live as long as the bot."""
        if limits is not None and limits.num_assets != len(world.legs):
            raise ValueError(f"limits for {limits.num_assets} assets, but the bot has {len(world.legs)}")
        if not world.port["serve"][0]:
            raise ValueError("nothing is attached to the world's port")
        owners = world.blocks.owners()
        set_fields(world.record, owners=owners.ctypes.data, owners_count=len(owners))
        super().__init__(
            world.address, live_addresses(), keep=(world, keep), limits=limits, fills=world.fill_log
        )
        self.world = world
        #: See `halt`.
        self.is_halted = self.is_flattening = self.is_stop = False
        self.unbooked: Sequence[float] = ()

    def set_ranges(self, ranges: Sequence[PriceRange]) -> None:
        """Restricts the books of all legs to these prices; before the first row."""
        books = self.world.assets["book"][: len(self.world.legs)]
        for book, leg, found in zip(books, self.world.legs, ranges, strict=True):
            fix_range(self.world.blocks, int(book), *found.ticks(leg.tick_size))

    def set_horizon(self, timestamp: int) -> None:
        """All rows and responses up to this time have been appended. `NEVER`: no more follow."""
        self.world.set_horizon(timestamp)

    @property
    def charges(self) -> np.ndarray[Any, Any]:
        """See `LiveWorld.charges`."""
        return self.world.charges

    def collect_fills(self) -> np.ndarray[Any, Any]:
        """All fills so far: every one is in the log once it is received. Any time, and clears no orders."""
        return self.fills

    @property
    def dropped(self) -> dict[str, int]:
        """How many rows of each log did not fit."""
        return super().dropped | self.world.dropped

    def stop(self) -> None:
        """Ends the run: waits, submits and modifies return 1, cancels are sent without waiting.

        The functions remain: a strategy that ignores the return code must still reach the host (`timeline`).
        """
        self._table[STOPPED] = 1
        self.world.record["is_stopping"] = 1

    def halt(
        self, *, is_flattening: bool = False, is_stop: bool = False, unbooked: Sequence[float] = ()
    ) -> None:
        """The session is halted: as `stop`, after which the positions are closed with `is_flattening`, else the pairs
        balanced. is_stop: it ends as it should, and the strategy's result counts. unbooked: by leg, what the venue
        holds beyond the bot's position; empty: nothing."""
        self.is_halted, self.is_flattening, self.is_stop = True, is_flattening, is_stop
        self.unbooked = unbooked
        self.stop()

    def resume(self) -> None:
        """Ends the effect of `halt`, for the orders that close the positions."""
        self._table[STOPPED] = 0
        set_fields(self.world.record, is_stopping=0, stops=0)
