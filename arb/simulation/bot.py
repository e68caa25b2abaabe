"""The live bot of a dry-run: a simulated exchange of every leg is attached to its port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hftbacktest.types import EXCH_EVENT

from arb.bot.log import GrowingLog
from arb.engine.book import WIDTH, fix_range, follow_taken, make_book
from arb.engine.live import LiveBot, LiveWorld
from arb.engine.order_table import ORDER, make_orders, make_queue
from arb.engine.port import PORT, UNKNOWN
from arb.engine.price_range import PriceRange
from arb.engine.row_stream import Stream
from arb.engine.world import NEVER
from arb.leg import Leg
from arb.risk.limits import Limits
from arb.simulation.exchange_record import EXCHANGE
from arb.simulation.latency import Latency, latency_of, make_latency
from arb.simulation.queue import QUEUE_MODELS
from arb.simulation.timeline import serve_callback

_NEXT_TS, _HORIZON = ((PORT.names or ()).index(name) for name in ("next_ts", "horizon"))


class SimulatedExchanges:
    """The simulated exchanges of all legs, attached to a world. The host's thread; not while the strategy runs."""

    def __init__(
        self,
        world: LiveWorld,
        latencies: Sequence[Latency],
        book_width: int = WIDTH,
        *,
        logs_orders: bool = False,
    ) -> None:
        """latencies: of each leg's orders. logs_orders: for `take_orders`."""
        self._blocks = world.blocks
        self._legs = world.legs
        #: Rows by venue time, one stream per leg.
        self.streams = [Stream(world.blocks, EXCH_EVENT) for _ in world.legs]
        self._exchanges = np.zeros(len(world.legs), EXCHANGE)
        self._kept: list[Any] = []
        #: Of each leg: its requests, and what was delivered to the bot.
        self._logs = [(GrowingLog(ORDER), GrowingLog(ORDER)) for _ in world.legs if logs_orders]
        # All fields have 64 bits; setting them by index is much faster than by name.
        self._port = world.port.view(np.int64)
        #: For who sets the horizon in compiled code.
        self.port_address = int(world.port.ctypes.data)
        for number, (leg, latency) in enumerate(zip(world.legs, latencies, strict=True)):
            exchange = self._exchanges[number]
            exchange["world"] = world.address
            exchange["book"] = make_book(world.blocks, leg.tick_size, leg.lot_size, book_width, world.address)
            exchange["orders"] = make_orders(world.blocks, world.address)
            exchange["arriving"] = make_queue(world.blocks)
            exchange["responses"] = world.assets[number]["responses"]
            exchange["latency"] = make_latency(world.blocks, latency, self._kept)
            exchange["rows"] = self.streams[number].address
            exchange["queue_model"] = QUEUE_MODELS[leg.queue_model]
            exchange["queue_power"] = leg.queue_power
            exchange["fee_price"] = leg.fee_price
            if leg.fee_price_leg >= 0:
                exchange["fee_exchange"] = self._exchanges[
                    leg.fee_price_leg : leg.fee_price_leg + 1
                ].ctypes.data
            exchange["contract_size"] = leg.contract_size
            exchange["mark"] = exchange["rate"] = np.nan
            exchange["funding_ts"] = NEVER
            if self._logs:
                exchange["requested"], exchange["delivered"] = (log.address for log in self._logs[number])
        world.attach(serve_callback().address, self._exchanges.ctypes.data)
        self.set_horizon(-1)

    def set_horizon(self, exch_ts: int) -> None:
        """All rows of all legs up to this venue time have been appended; `NEVER`: no more follow.

        It is not later than the bot's horizon.
        """
        self._port[_HORIZON] = exch_ts
        self._port[_NEXT_TS] = UNKNOWN

    @property
    def unpaid(self) -> list[int]:
        """Of each leg: see `Bot.unpaid_funding`."""
        return [int(count) for count in self._exchanges["unpaid"]]

    def take_orders(self) -> list[tuple[Any, Any]]:
        """Of each leg: requests, and what was delivered to the bot, since the last call, rows of ORDER.

        What was delivered is received later, in this order, as the leg's rows of `LiveWorld.answers` are. Empty without
        `logs_orders`.
        """
        return [(requested.take(), delivered.take()) for requested, delivered in self._logs]

    @property
    def has_orders(self) -> bool:
        """Whether `take_orders` has anything."""
        return any(len(log.rows) for logs in self._logs for log in logs)

    def subtract_taken(self) -> None:
        """Makes the exchanges' books subtract what is taken; before the first row."""
        for book in self._exchanges["book"].tolist():
            follow_taken(self._blocks, book)

    def set_ranges(self, ranges: Sequence[PriceRange]) -> None:
        """Restricts the exchanges' books to these prices; before the first row."""
        for exchange, leg, found in zip(self._exchanges, self._legs, ranges, strict=True):
            fix_range(self._blocks, int(exchange["book"]), *found.ticks(leg.tick_size))


class DryRunBot(LiveBot):
    """A live bot with its simulated exchanges. The host appends rows for both sides and sets their horizons."""

    def __init__(
        self,
        legs: Sequence[Leg],
        limits: Limits | None = None,
        *,
        latencies: Sequence[Latency] | None = None,
        keep_trades: bool = False,
        is_live: bool = False,
        start_ts: int = 0,
        book_width: int = WIDTH,
        arrays_over: Sequence[PriceRange] | None = None,
        logs_orders: bool = False,
        subtracts_taken: bool = False,
    ) -> None:
        """latencies: of each leg's orders; without them those of the legs, as in a backtest.

        arrays_over: the ranges of a strategy that reads arrays; on live data `set_ranges` gives them later.
        logs_orders: for `SimulatedExchanges.take_orders`. subtracts_taken: quantity that an order takes is not shown
        again until the venue changes it (`arb.engine.taken`). Further arguments as for `LiveWorld`.
        """
        world = LiveWorld(
            legs, keep_trades=keep_trades, is_live=is_live, start_ts=start_ts, book_width=book_width
        )
        self.exchanges = SimulatedExchanges(
            world, latencies or [latency_of(leg) for leg in legs], book_width, logs_orders=logs_orders
        )
        if subtracts_taken:
            self.exchanges.subtract_taken()
            for book in world.assets["book"][: len(legs)].tolist():
                follow_taken(world.blocks, book)
        super().__init__(world, keep=self.exchanges, limits=limits)
        if arrays_over is not None:
            self.set_ranges(arrays_over)

    def set_ranges(self, ranges: Sequence[PriceRange]) -> None:
        """Restricts the books of all legs, the bot's and the exchanges', to these prices; before the first row."""
        super().set_ranges(ranges)
        self.exchanges.set_ranges(ranges)

    @property
    def unpaid_funding(self) -> list[int]:
        """Funding times of each leg that passed with a position but without a known mark price or rate."""
        return self.exchanges.unpaid

    def set_horizon(self, timestamp: int) -> None:
        """All rows of both sides up to this time have been appended. `NEVER`: no more follow."""
        self.world.set_horizon(timestamp)
        self.exchanges.set_horizon(timestamp)
