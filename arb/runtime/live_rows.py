"""Drives a strategy with rows as they arrive; the live counterpart of `arb.runtime.replay`.

The bot receives rows at once, then whoever answers its orders: in a dry-run the venues' side of the simulated exchange
(`arb.simulation.watermark`). `LiveWorld.answers` records when each request was made, processed and answered, and
`Latency(recorded=...)` gives a replay those times.

The strategy's clock follows the rows, the responses and its own waits, as in a replay, not the host's clock: a busy
host makes the strategy late but does not change its results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from hftbacktest.types import LOCAL_EVENT

from arb.engine.live import LiveBot
from arb.engine.price_range import RangeFinder
from arb.engine.world import NEVER
from arb.errors import InputError
from arb.runtime.strategy_task import StrategyTask
from connectors.jit.compilation import compiled
from connectors.model import Rows

#: Rows held in memory while a leg has no first book: 256 MB.
_WAITING_ROWS_MAX = 1 << 22

_LOCAL_FLAG = np.uint64(LOCAL_EVENT)


class AnsweringSide(Protocol):
    """The host's part of what is attached to the bot's port."""

    @property
    def settled_ts(self) -> int:
        """The venue time up to which all rows can have taken effect on responses."""

    def on_rows(self, leg_no: int, rows: Rows) -> None:
        """Receives rows of a leg in the order of receipt, after the bot."""

    def on_time(self, now_ns: int) -> None:
        """Advances to `now_ns`."""


class LiveDriver:
    """Passes rows and time to the strategy and to whoever answers its orders. The event loop's thread.

    bot: made with `is_live`. The host calls `on_rows` for received rows, and `on_time` when `next_due` is reached and
    at least periodically, since the answering side may depend on the time while no data arrives.
    """

    def __init__(
        self,
        bot: LiveBot,
        task: StrategyTask,
        side: AnsweringSide,
        ranges: Sequence[RangeFinder] | None = None,
    ) -> None:
        """ranges: one per leg for a strategy that reads arrays; it starts when all of them are known."""
        if not bot.world.is_live:
            raise ValueError("the bot is one of a replay: make it with is_live=True")
        self._bot = bot
        self._task = task
        self._side = side
        self._ranges = ranges
        #: Whether the strategy may run: its first access to a book may need the range of the arrays.
        self.is_ready = True
        self._waiting_rows = 0
        #: Ends the session although nothing failed: a best price outside the arrays.
        self.fault: InputError | None = None
        self._local_ts = -1
        if ranges is not None:
            self.is_ready = all(finder.range is not None for finder in ranges)
            if self.is_ready:
                self._set_ranges(ranges)

    def start(self) -> bool:
        """Runs the strategy to its first wait; later if ranges are unknown. False if it ends before it waits."""
        return not self.is_ready or self._task.resume()

    def on_rows(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        """Passes rows of one leg in order of receipt, local times up to `now_ns`. False once the strategy has ended.

        The strategy receives them before the answering side does.
        """
        self.show(leg_no, rows, now_ns)
        return self.settle(leg_no, rows, now_ns)

    def show(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        """The bot's part of `on_rows`: the strategy runs and may send requests."""
        shown = for_bot(rows)
        self._bot.world.streams[leg_no].append(shown)
        if self._ranges is not None:
            self._watch(self._ranges, leg_no, shown, now_ns)
        return self._move(now_ns)

    def _watch(self, ranges: Sequence[RangeFinder], leg_no: int, rows: Rows, now_ns: int) -> None:
        ranges[leg_no].follow(rows)
        if outside := ranges[leg_no].outside:
            self.fault = self.fault or InputError(outside)
        if self.is_ready:
            return
        self._waiting_rows += len(rows)
        if all(finder.range is not None for finder in ranges):
            # Earlier rows are applied in the strategy's first wait: it does not trade on the past.
            self._bot.world.start_at(now_ns)
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
        """The answering side's part of `on_rows`."""
        self._side.on_rows(leg_no, rows)
        return self.on_time(now_ns)

    def on_time(self, now_ns: int) -> bool:
        """Advances to `now_ns`: the answering side, waits and responses that are due. False once the strategy has
        ended."""
        self._side.on_time(now_ns)
        return self._move(now_ns)

    def _move(self, local_ts: int) -> bool:
        # The clock may be set back; the horizon never decreases.
        self._local_ts = max(self._local_ts, local_ts)
        self._bot.world.set_horizon(self._local_ts)
        return not self.is_ready or self._task.resume()

    @property
    def next_due(self) -> int:
        """When `on_time` is next needed if no row arrives: the end of a wait or a response; `NEVER` if none is
        known."""
        is_waiting = self.is_ready and self._task.is_alive and not self._bot.is_stopped
        return self._bot.world.next_due if is_waiting else NEVER

    @property
    def settled_ts(self) -> int:
        """The venue time up to which all rows can have taken effect on responses."""
        return self._side.settled_ts

    def stop(self) -> bool:
        """Stops the strategy. False if it does not end."""
        return not self.is_ready or self._task.stop()


@compiled
def for_bot(rows):
    """A copy flagged for the bot."""
    shown = rows.copy()
    for index in range(len(shown)):
        shown[index].ev |= _LOCAL_FLAG
    return shown
