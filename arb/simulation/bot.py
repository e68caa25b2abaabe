"""The live bot of a dry-run: every leg is connected to a simulated exchange."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import EXCH_EVENT

from arb.engine.book import WIDTH, fix_range, make_book
from arb.engine.live import LiveAsset, LiveBot, LiveWorld
from arb.engine.order_table import make_orders, make_queue
from arb.engine.price_range import PriceRange
from arb.engine.row_stream import Stream
from arb.engine.world import WORLD
from arb.leg import Leg
from arb.risk.limits import Limits
from arb.simulation.exchange import EXCHANGE
from arb.simulation.latency import Latency, make_latency
from arb.simulation.queue import QUEUE_MODELS
from arb.simulation.timeline import advance_address, next_due
from arb.simulation.venue_rules import REFUSALS, Rules, make_rules

_LOCAL_HORIZON = (WORLD.names or ()).index("local_horizon")
_EXCH_HORIZON = (WORLD.names or ()).index("exch_horizon")


class SimulatedLeg(NamedTuple):
    """A leg and the options of its simulated exchange. With the leg only, it behaves as in a backtest."""

    leg: Leg
    #: Replaces the leg's own latency: its two constants, or its measured ones.
    latency: Latency | None = None
    #: The venue's filters and funds; None is off, as in a backtest.
    rules: Rules | None = None


class DryRunBot(LiveBot):
    """A live bot with its simulated exchanges. The host appends rows for both sides and sets their horizons."""

    def __init__(
        self,
        legs: Sequence[SimulatedLeg],
        limits: Limits | None = None,
        *,
        keep_trades: bool = False,
        is_live: bool = False,
        log_fills: bool = True,
        start_ts: int = 0,
        book_width: int = WIDTH,
        arrays_over: Sequence[PriceRange] | None = None,
    ) -> None:
        """arrays_over: the ranges of a strategy that reads arrays; on live data `set_ranges` gives them later.

        is_live: the venues' side lags behind the bot's, and an exchange event that arrives late delays its response.

        start_ts: when the clock starts; 0: at the first row. To replay an earlier run, pass that run's
        `LiveWorld.start_ts`, and its responses as latencies.
        """
        world = LiveWorld(
            [
                LiveAsset(
                    leg.tick_size,
                    leg.lot_size,
                    leg.contract_size,
                    leg.maker_fee,
                    leg.taker_fee,
                    keep_trades,
                    book_width,
                )
                for leg, *_ in legs
            ]
        )
        self._kept: list[Any] = []
        # All fields of the world have 64 bits; setting them by index is much faster than by name.
        self._cells = world.record.view(np.int64)
        #: Rows for the bot, and rows for the venues' side: one stream per leg each.
        self.local_streams = world.streams
        self.exch_streams = [Stream(world.blocks, EXCH_EVENT) for _ in legs]
        self._exchanges: list[Any] = []
        self._rules: list[Any] = []
        for number, leg in enumerate(legs):
            self._attach(world, number, leg, book_width)
        world.record["advance"] = advance_address()
        world.record["is_live"] = int(is_live)
        world.record["start_ts"] = start_ts
        world.record["local_horizon"] = world.record["exch_horizon"] = -1
        world.seal()
        super().__init__(
            world,
            keep=(self._kept, self.local_streams, self.exch_streams),
            limits=limits,
            log_fills=log_fills,
        )
        if arrays_over is not None:
            self.set_ranges(arrays_over)

    def _attach(self, world: LiveWorld, number: int, simulated: SimulatedLeg, book_width: int) -> None:
        leg, blocks = simulated.leg, world.blocks
        latency = simulated.latency or Latency(
            leg.entry_latency_ns, leg.response_latency_ns, by_time=leg.order_latencies
        )
        rules = make_rules(blocks, simulated.rules) if simulated.rules else None
        exchange = blocks.record(
            EXCHANGE,
            book=make_book(blocks, leg.tick_size, leg.lot_size, book_width, world.address),
            orders=make_orders(blocks, world.address),
            arriving=make_queue(blocks),
            responses=world.assets[number]["responses"],
            latency=make_latency(blocks, latency, self._kept),
            rules=0 if rules is None else rules.ctypes.data,
            rows=self.exch_streams[number].address,
            queue_model=QUEUE_MODELS[leg.queue_model],
            queue_power=leg.queue_power,
        )
        self._exchanges.append(exchange)
        self._rules.append(rules)
        world.assets[number]["port"] = exchange.ctypes.data

    def set_ranges(self, ranges: Sequence[PriceRange]) -> None:
        """Restricts the books of all legs, the bot's and the exchange's, to these prices; before the first row."""
        for number, found in enumerate(ranges):
            ticks = found.ticks(self.world.specs[number].tick_size)
            for book in (self.world.assets[number]["book"], self._exchanges[number]["book"][0]):
                fix_range(self.world.blocks, int(book), *ticks)

    def set_horizons(self, local_ts: int, exch_ts: int) -> None:
        """All rows for the bot up to `local_ts` and all rows of the venues up to `exch_ts` have been appended.

        Both at `NEVER`: no more rows follow. The venues' horizon is the smallest watermark of all legs.
        """
        self._cells[_LOCAL_HORIZON] = local_ts
        self._cells[_EXCH_HORIZON] = exch_ts

    @property
    def next_due(self) -> int:
        """When the host must resume the strategy if no row arrives."""
        return int(next_due(self.world.address))

    def refusals(self, number: int) -> dict[str, int]:
        """New orders of a leg that its venue's rules refused, by rule."""
        rules = self._rules[number]
        counts = rules["refused"][0] if rules is not None else [0] * len(REFUSALS)
        return dict(zip(REFUSALS, map(int, counts), strict=True))

    @property
    def lost(self) -> int:
        """Requests and responses lost because a queue was full; if not 0, the results are invalid."""
        return int(self.world.record["lost"][0]) + sum(int(each["lost"][0]) for each in self._exchanges)
