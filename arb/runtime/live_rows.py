"""Drives a dry-run with rows as they arrive; the live counterpart of `arb.runtime.replay`.

The bot sees rows at once. The venues' side follows, up to the smallest watermark of all legs, so that an order meets
the book of its arrival time even if rows of that time arrive after the response was due. Such a response is delayed.
`LiveWorld.answers` records when each request was made, processed and answered, and `Latency(recorded=...)` gives a
replay those times.

The strategy's clock follows the rows and its own waits, as in a replay, not the host's clock: a busy host makes the
strategy late but does not change its results.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hftbacktest.types import LOCAL_EVENT

from arb.engine.price_range import RangeFinder
from arb.engine.world import NEVER
from arb.errors import InputError
from arb.runtime.strategy_task import Strand
from arb.simulation.bot import DryRunBot
from arb.simulation.watermark import VenueOrder
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Rows held in memory while a leg has no first book: 256 MB.
_WAITING_ROWS_MAX = 1 << 22

_LOCAL_FLAG = np.uint64(LOCAL_EVENT)


class LiveDriver:
    """Passes rows and time to the strategy and the venues' side of one dry-run. The event loop's thread.

    bot: made with `is_live`. The host calls `on_rows` for received rows, and `on_time` when `next_due` is reached and
    at least periodically, so that watermarks advance while no data arrives.
    """

    def __init__(
        self,
        bot: DryRunBot,
        strand: Strand,
        orders: Sequence[VenueOrder],
        ranges: Sequence[RangeFinder] | None = None,
    ) -> None:
        """ranges: one per leg for a strategy that reads arrays; it starts when all of them are known."""
        if len(orders) != len(bot.exch_streams):
            raise ValueError(f"{len(orders)} orders of rows for {len(bot.exch_streams)} legs")
        if not bot.world.record["is_live"][0]:
            raise ValueError("the bot is one of a replay: make it with is_live=True")
        self._bot = bot
        self._strand = strand
        self._orders = list(orders)
        self._ranges = ranges
        #: Whether the strategy may run: its first access to a book may need the range of the arrays.
        self.is_ready = True
        self._waiting_rows = 0
        #: Ends the session although nothing failed: a best price outside the arrays.
        self.fault: InputError | None = None
        self._local_ts = -1
        self._exch_ts = -1
        if ranges is not None:
            self.is_ready = all(finder.range is not None for finder in ranges)
            if self.is_ready:
                self._set_ranges(ranges)

    def start(self) -> bool:
        """Runs the strategy to its first wait; later if ranges are unknown. False if it ends before it waits."""
        return not self.is_ready or self._strand.resume()

    def on_rows(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        """Passes rows of one leg in order of receipt, local times up to `now_ns`. False once the strategy has ended.

        The strategy receives them before the venues' side does.
        """
        self.show(leg_no, rows, now_ns)
        return self.settle(leg_no, rows, now_ns)

    def show(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        """The bot's part of `on_rows`: the strategy runs and may send requests."""
        shown = for_bot(rows)
        self._bot.local_streams[leg_no].append(shown)
        if self._ranges is not None:
            self._watch(self._ranges, leg_no, shown, now_ns)
        return self._move(now_ns, self._exch_ts)

    def _watch(self, ranges: Sequence[RangeFinder], leg_no: int, rows: Rows, now_ns: int) -> None:
        ranges[leg_no].follow(rows)
        if outside := ranges[leg_no].outside:
            self.fault = self.fault or InputError(outside)
        if self.is_ready:
            return
        self._waiting_rows += len(rows)
        if all(finder.range is not None for finder in ranges):
            # Earlier rows are applied in the strategy's first wait: it does not trade on the past.
            self._bot.world.record["start_ts"] = now_ns
            self._set_ranges(ranges)
            self.is_ready = True
        elif self._waiting_rows > _WAITING_ROWS_MAX:
            raise InputError(f"{self.waits_for}, after {self._waiting_rows:,} rows of the other legs")

    def _set_ranges(self, ranges: Sequence[RangeFinder]) -> None:
        self._bot.set_ranges([finder.range for finder in ranges if finder.range is not None])

    @property
    def waits_for(self) -> str:
        """Why the strategy has not started; empty once it has."""
        missing = [] if self.is_ready else [finder for finder in self._ranges or () if finder.range is None]
        return missing[0].unknown if missing else ""

    def settle(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        """The venues' part of `on_rows`."""
        self._orders[leg_no].receive(rows)
        return self.on_time(now_ns)

    def on_time(self, now_ns: int) -> bool:
        """Advances to `now_ns`: watermarks, waits and responses that are due. False once the strategy has ended."""
        released = [order.release(now_ns) for order in self._orders]
        for stream, rows in zip(self._bot.exch_streams, released, strict=True):
            stream.append(rows)
        return self._move(now_ns, min(order.watermark for order in self._orders))

    def _move(self, local_ts: int, exch_ts: int) -> bool:
        # The clock may be set back; the horizons never decrease.
        self._local_ts = max(self._local_ts, local_ts)
        self._exch_ts = max(self._exch_ts, min(exch_ts, self._local_ts))
        self._bot.set_horizons(self._local_ts, self._exch_ts)
        return not self.is_ready or self._strand.resume()

    @property
    def next_due(self) -> int:
        """When `on_time` is next needed if no row arrives: the end of a wait or a response; `NEVER` if none is
        known."""
        is_waiting = self.is_ready and self._strand.is_alive and not self._bot.is_stopped
        return self._bot.next_due if is_waiting else NEVER

    @property
    def settled_ts(self) -> int:
        """The venue time up to which the venues' side is complete."""
        return self._exch_ts

    @property
    def late(self) -> int:
        """Rows that arrived behind their leg's watermark: the venues' side saw them too late."""
        return sum(order.late for order in self._orders)

    def late_below(self, leg_no: int) -> int | None:
        """The watermark that some of the leg's rows in the last `on_rows` were behind; None if none were."""
        return self._orders[leg_no].late_below

    def stop(self) -> bool:
        """Stops the strategy. False if it does not end."""
        return not self.is_ready or self._strand.stop()


@compiled
def for_bot(rows):
    """A copy flagged for the bot."""
    shown = rows.copy()
    for index in range(len(shown)):
        shown[index].ev |= _LOCAL_FLAG
    return shown
