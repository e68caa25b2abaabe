"""The live bot: the common bot type over a world whose rows and responses are supplied from outside.

`LiveWorld` creates the records; `LiveBot` is the bot over them. The side that answers requests and advances the clock
is attached from outside: `arb.simulation.exchange` for a dry-run.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import LOCAL_EVENT, state_values_dtype

from arb.bot.bot import Bot
from arb.bot.function_table import STOPPED
from arb.bot.log import GrowingLog
from arb.engine.blocks import Blocks
from arb.engine.book import WIDTH, make_book
from arb.engine.functions import live_addresses
from arb.engine.order_table import make_orders, make_queue
from arb.engine.row_stream import Stream
from arb.engine.world import ANSWER, ASSET, NEVER, TRADES, WORLD, set_fields
from arb.risk.limits import Limits


class LiveAsset(NamedTuple):
    """The bot's description of one asset. Fees are fractions of the value traded."""

    tick_size: float
    lot_size: float
    contract_size: float
    maker_fee: float
    taker_fee: float
    keeps_trades: bool = False
    #: Ticks of the book's dense window.
    book_width: int = WIDTH


class LiveWorld:
    """The records of a world, for the host. The host's thread; not while the strategy runs."""

    def __init__(self, assets: Sequence[LiveAsset]) -> None:
        if not assets:
            raise ValueError("a bot needs at least one asset")
        self.blocks = Blocks()
        self.specs = tuple(assets)
        self.record = self.blocks.record(WORLD, num_assets=len(assets), now=NEVER, latest=0, deadline=NEVER)
        self.address = int(self.record.ctypes.data)
        # The last record is what an unknown asset number reads.
        self.assets = np.zeros(len(assets) + 1, ASSET)
        # An unknown asset number reads the last record.
        self.streams = [Stream(self.blocks, LOCAL_EVENT) for _ in assets]
        self._states = np.zeros(len(assets) + 1, state_values_dtype)
        self._answers = GrowingLog(ANSWER)
        self._host: Any = None
        for number, spec in enumerate([*assets, LiveAsset(np.nan, np.nan, 1.0, 0.0, 0.0, book_width=2)]):
            self._fill(number, spec)
        set_fields(self.record, assets=self.assets.ctypes.data, answers=self._answers.address)

    def _fill(self, number: int, spec: LiveAsset) -> None:
        blocks = self.blocks
        set_fields(
            self.assets[number : number + 1],
            number=number,
            tick_size=spec.tick_size,
            contract_size=spec.contract_size,
            maker_fee=spec.maker_fee,
            taker_fee=spec.taker_fee,
            book=make_book(blocks, spec.tick_size, spec.lot_size, spec.book_width, self.address),
            orders=make_orders(blocks, self.address),
            state=self._states[number : number + 1].ctypes.data,
            requests=make_queue(blocks),
            responses=make_queue(blocks),
            trades=blocks.address(TRADES),
            keeps_trades=int(spec.keeps_trades),
            rows=self.streams[number].address if number < len(self.streams) else 0,
        )

    def seal(self) -> None:
        """Registers every record that owns memory; after the last one is created, before the bot."""
        owners = self.blocks.owners()
        set_fields(self.record, owners=owners.ctypes.data, owners_count=len(owners))

    def set_host(self, callback: Any) -> None:
        """Sets the C function that a wait calls when it needs more data; keeps it alive."""
        self._host = callback
        self.record["park"] = ctypes.cast(callback, ctypes.c_void_p).value or 0

    @property
    def answers(self) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
        """The responses so far, in the order in which the strategy received them, of dtype `ANSWER`.

        Beyond 16 million of them, without `take_answers`, further ones are dropped.
        """
        return self._answers.rows

    def take_answers(self) -> np.ndarray[tuple[int, ...], np.dtype[np.void]]:
        """Returns the responses so far and removes them from the log: a long run writes them out periodically."""
        return self._answers.take()

    @property
    def now(self) -> int:
        """The bot's clock; NEVER before it has started."""
        return int(self.record["now"][0])

    @property
    def start_ts(self) -> int:
        """When the clock started; 0 before."""
        return int(self.record["start_ts"][0])

    @property
    def heartbeat(self) -> int:
        """Calls of the bot so far."""
        return int(self.record["heartbeat"][0])

    @property
    def deadline(self) -> int:
        """When the current wait times out; NEVER without a timeout."""
        return int(self.record["deadline"][0])

    @property
    def is_started(self) -> bool:
        """Whether the strategy has seen its first row."""
        return bool(self.record["is_started"][0])


class LiveBot(Bot):
    """The bot over a complete and sealed world."""

    def __init__(
        self, world: LiveWorld, *, keep: object = None, limits: Limits | None = None, log_fills: bool = True
    ) -> None:
        if limits is not None and limits.num_assets != len(world.specs):
            raise ValueError(f"limits for {limits.num_assets} assets, but the bot has {len(world.specs)}")
        if not world.record["owners_count"][0]:
            raise ValueError("seal the world before a bot is made over it")
        super().__init__(
            world.address, live_addresses(), keep=(world, keep), limits=limits, log_fills=log_fills
        )
        self.world = world

    def stop(self) -> None:
        """Ends the run: waits, submits and modifies return 1, cancels are sent without waiting.

        The functions remain: a strategy that ignores the return code must still reach the host (`waiting`).
        """
        self._table[STOPPED] = 1
        self.world.record["is_stopping"] = 1
