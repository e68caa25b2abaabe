"""Runs one set of parameters over kept rows, on any thread: rows mapped once, books' ranges measured once.

A set's bot, recorder, limits and orders are its own; rows and the compiled strategy are shared, and only read. The
compiled strategy runs without the GIL, so threads run sets at the same time. What a set leaves is what a backtest of it
leaves: the same engine over the same rows.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from arb.backtest.assets import LegData, array_ranges, backtest_bot, book_ranges
from arb.backtest.output import output_of
from arb.backtest.runner import Compiled
from arb.bot.bot import Bot
from arb.bot.error_lines import enter_strategy
from arb.bot.recorder import Recorder
from arb.engine.price_range import PriceRange
from arb.engine.world import NEVER
from arb.errors import InvariantError
from arb.leg import Leg
from arb.results.result import RunOutput
from arb.risk.limits import Limits
from arb.simulation.bot import DryRunBot
from arb.strategies.arguments import Arguments
from connectors.model import Rows

#: Names of the engines, as in `[backtest] engine`.
HFTBACKTEST, ARB = "hftbacktest", "arb"
#: Rows of a set's logs at first; they grow.
_LOG_ROWS = 1024


class OneSet(NamedTuple):
    """A set of parameters, ready to run. wrap: adds what the host does before and after the compiled strategy."""

    legs: Sequence[Leg]
    limits: Limits
    arguments: Arguments
    engine: str
    #: See `DryRunBot`; in the engine arb.
    subtracts_taken: bool
    wrap: Callable[[Callable[..., Any], Bot, Recorder], Callable[..., Any]]


class Ran(NamedTuple):
    """What a set left. error: of the strategy, in one line; "": none. fills_sha256, decisions_sha256: of the rows,
    fills in the order of the venues' time."""

    output: RunOutput
    value: Any
    error: str
    fills_sha256: str
    decisions_sha256: str


class KeptRows:
    """The rows of every leg, for all sets of a group. Any thread."""

    def __init__(self, arrays: Sequence[Sequence[Rows]], whole: KeptRows | None = None) -> None:
        """whole: the rows of which these are a part, and which decide the books' ranges."""
        self._arrays = arrays
        self._whole = whole
        self._lock = threading.Lock()
        self._ranges: dict[object, Sequence[PriceRange | None]] = {}

    @property
    def arrays(self) -> Sequence[Sequence[Rows]]:
        """Of each leg."""
        return self._arrays

    def part(self, arrays: Sequence[Sequence[Rows]]) -> KeptRows:
        """A part of these rows."""
        return KeptRows(arrays, self._whole or self)

    def of_legs(self, legs: Sequence[Leg]) -> list[LegData]:
        """The legs with their rows."""
        return [LegData(leg, arrays) for leg, arrays in zip(legs, self._arrays, strict=True)]

    def bot(self, one: OneSet, strategy: Compiled) -> Bot:
        """A new bot of the set's engine over the rows. Raises InputError, as `array_ranges`."""
        if one.engine == ARB:
            return self._simulated(one, strategy)
        return backtest_bot(
            self.of_legs(one.legs),
            one.limits,
            keep_trades=strategy.uses.trades,
            ranges=self.known_ranges(one, strategy, book_ranges),
        )

    def _simulated(self, one: OneSet, strategy: Compiled) -> Bot:
        bot = DryRunBot(
            one.legs,
            one.limits,
            keep_trades=strategy.uses.trades,
            arrays_over=self.known_ranges(one, strategy, array_ranges) if strategy.uses.arrays else None,
            subtracts_taken=one.subtracts_taken,
        )
        # All rows are there before the strategy begins: it never waits for its host.
        for number, arrays in enumerate(self._arrays):
            for stream in (bot.world.streams[number], bot.exchanges.streams[number]):
                for rows in arrays:
                    stream.append(rows)
        bot.set_horizon(NEVER)
        return bot

    def known_ranges(self, one: OneSet, strategy: Compiled, measure: Callable[..., Any]) -> Any:
        """The ranges of the legs' prices, which follow from rows, grid and uses: measured by the first set."""
        if self._whole is not None:
            return self._whole.known_ranges(one, strategy, measure)
        grids = tuple((leg.tick_size, leg.lot_size, leg.roi_lb, leg.roi_ub) for leg in one.legs)
        key = measure, grids, strategy.uses
        with self._lock:
            if key not in self._ranges:
                self._ranges[key] = measure(self.of_legs(one.legs), strategy.uses)
            return self._ranges[key]


class Running:
    """The bots of the sets that run now, so that all can be stopped. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bots: set[Bot] = set()
        self.is_stopped = False

    def add(self, bot: Bot) -> None:
        with self._lock:
            self._bots.add(bot)
            if self.is_stopped:
                bot.stop()

    def remove(self, bot: Bot) -> None:
        with self._lock:
            self._bots.discard(bot)

    def stop(self) -> None:
        """Ends the sets that run; their results are those of a part of the rows, and to be dropped."""
        with self._lock:
            self.is_stopped = True
            for bot in self._bots:
                bot.stop()


def run_set(
    one: OneSet, strategy: Compiled, rows: KeptRows, running: Running, *, has_lines: bool = False
) -> Ran:
    """Runs a set to the end of the rows. Raises InputError for legs whose rows it cannot read.

    has_lines: as of `output_of`.
    """
    recorder = Recorder(len(one.legs), rows=_LOG_ROWS)
    bot = rows.bot(one, strategy)
    running.add(bot)
    value, error = None, ""
    try:
        function = one.wrap(strategy.function, bot, recorder)
        arguments = one.arguments.bind(bot, recorder)
        try:
            enter_strategy()
            value = function(*arguments)
        except BaseException as raised:  # of the strategy: the set is marked, the others go on
            error = f"{type(raised).__name__}: {raised}".removesuffix(": ")
    finally:
        running.remove(bot)
    if isinstance(bot, DryRunBot) and bot.world.lost and not error:
        raise InvariantError(
            f"{bot.world.lost} requests or responses found a queue full: the results are invalid"
        )
    fills = bot.collect_fills()
    # hftbacktest's engine logs fills that it delivers together in a random order.
    fills = fills[np.lexsort((fills["order_id"], fills["asset_no"], fills["exch_ts"]))]
    digests = _digest(fills), _digest(recorder.decisions)
    return Ran(output_of(bot, recorder, one.legs, has_lines=has_lines), value, error, *digests)


def _digest(rows: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
