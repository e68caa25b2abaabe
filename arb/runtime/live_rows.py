"""Drives a strategy with rows as they arrive; the live counterpart of `arb.runtime.replay`.

The bot receives rows at once, then whoever answers its orders: in a dry-run the venues' side of the simulated exchange
(`arb.simulation.watermark`). `LiveWorld.answers` records when each request was made, processed and answered, and
`Latency(recorded=...)` gives a replay those times.

The strategy's clock follows the rows, the responses and its own waits, as in a replay, not the host's clock: a busy
host makes the strategy late but does not change its results.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hftbacktest.types import LOCAL_EVENT
from numpy.typing import NDArray

from arb.engine.live import LiveBot
from arb.engine.port import AnsweringSide, Late
from arb.engine.price_range import RangeFinder
from arb.engine.row_stream import flagged
from arb.engine.world import NEVER
from arb.errors import InputError, InvariantError
from arb.runtime.strategy_task import StrategyTask
from connectors.model import Rows

#: Rows held in memory while a leg has no first book: 256 MB.
_WAITING_ROWS_MAX = 1 << 22

LOCAL_FLAG = np.uint64(LOCAL_EVENT)


class LiveDriver:
    """Passes rows and time to the strategy and to whoever answers its orders. The event loop's thread.

    The host calls `on_rows` for received rows, and `on_time` when `next_due` is reached and at least periodically,
    since the answering side may depend on the time while no data arrives.
    """

    def __init__(
        self,
        bot: LiveBot,
        task: StrategyTask,
        side: AnsweringSide,
        ranges: Sequence[RangeFinder] = (),
    ) -> None:
        """bot: made with `is_live`. ranges: one per leg for a strategy that reads arrays; it starts when all are
        known."""
        if not bot.world.is_live:
            raise ValueError("the bot is one of a replay: make it with is_live=True")
        self.bot = bot
        self.task = task
        self.side = side
        self._ranges = ranges
        #: Whether the strategy may run: its first access to a book may need the range of the arrays.
        self.is_ready = False
        self._waiting_rows = 0
        #: Ends the session although nothing failed: a best price outside the arrays.
        self.fault: InputError | None = None
        self._local_ts = -1
        self._look_for_ranges()

    def start(self) -> bool:
        """Runs the strategy to its first wait; later if ranges are unknown. False if it ends before it waits."""
        return not self.is_ready or self.task.resume()

    def on_rows(self, leg_no: int, rows: Rows, now_ns: int) -> bool:
        """Passes rows of one leg in order of receipt, local times up to `now_ns`. False once the strategy has ended.

        The strategy receives them, and may send requests, before the answering side does.
        """
        shown: Rows = flagged(rows, LOCAL_FLAG)
        self.bot.world.streams[leg_no].append(shown)
        if self._ranges:
            self._watch(leg_no, shown, now_ns)
        self._move(now_ns)
        self.side.on_rows(leg_no, rows)
        return self.on_time(now_ns)

    @property
    def messages_max(self) -> int:
        """How many messages of a read `on_read` takes together now; 0: pass the rows of each to `on_rows`."""
        steps = self.side.steps
        if steps is None or self._ranges or not self.task.switches or not self.task.is_alive:
            return 0
        return steps.messages_max

    def on_read(
        self, leg_no: int, rows: Rows, ends: NDArray[np.int64], last_ts: int
    ) -> tuple[int, bool, Sequence[Late]]:
        """Passes messages of one leg in order of receipt; `on_rows` with each gives the same.

        rows: at least one; ends: the end of each message's rows; last_ts: the last row's local time. The rows of each
        message have later times than the strategy has reached. Returns how many messages were processed, which are
        fewer if the strategy has ended; whether it has not; and rows that were late for the answering side.
        """
        steps, world = self.side.steps, self.bot.world
        if steps is None:
            raise InvariantError("the answering side takes messages one by one")
        shown: Rows = flagged(rows, LOCAL_FLAG)
        world.streams[leg_no].append(shown)
        world.set_horizon(steps.begin(leg_no, rows, ends))
        is_alive, done = False, 0
        try:
            is_alive = self.task.resume()
        finally:
            # Whatever was raised: the rows are not valid any longer.
            done = steps.finish()
        self._local_ts = (
            last_ts if is_alive else max(self._local_ts, int(rows["local_ts"][ends[done - 1] - 1]))
        )
        return done, is_alive, steps.late

    def _watch(self, leg_no: int, rows: Rows, now_ns: int) -> None:
        finder = self._ranges[leg_no]
        finder.follow(rows)
        if finder.outside:
            self.fault = self.fault or InputError(finder.outside)
        if self.is_ready:
            return
        self._waiting_rows += len(rows)
        if self._look_for_ranges():
            # Earlier rows are applied in the strategy's first wait: it does not trade on the past.
            self.bot.world.start_at(now_ns)
        elif self._waiting_rows > _WAITING_ROWS_MAX:
            raise InputError(f"{self.waits_for}, after {self._waiting_rows:,} rows of the other legs")

    def _look_for_ranges(self) -> bool:
        """Sets the ranges once all are known, or none is needed; the strategy is ready then."""
        known = [finder.range for finder in self._ranges if finder.range is not None]
        self.is_ready = len(known) == len(self._ranges)
        if self.is_ready and known:
            self.bot.set_ranges(known)
        return self.is_ready

    @property
    def waits_for(self) -> str:
        """Why the strategy has not started; empty once it has."""
        return next((finder.unknown for finder in self._ranges if finder.range is None), "")

    def on_time(self, now_ns: int) -> bool:
        """Advances to `now_ns`: the answering side, waits and responses that are due. False once the strategy has
        ended."""
        self.side.on_time(now_ns)
        return self._move(now_ns)

    def on_answers(self, now_ns: int) -> bool:
        """Runs the strategy with the answers that were put into its queues, received up to `now_ns`. False once it has
        ended."""
        return self._move(now_ns)

    def _move(self, local_ts: int) -> bool:
        # The clock may be set back; the horizon never decreases.
        self._local_ts = max(self._local_ts, local_ts)
        self.bot.world.set_horizon(self._local_ts)
        return not self.is_ready or self.task.resume()

    @property
    def next_due(self) -> int:
        """When `on_time` is next needed if no row arrives: the end of a wait or a response; `NEVER` if none is
        known."""
        is_waiting = self.is_ready and self.task.is_alive and not self.bot.is_stopped
        return self.bot.world.next_due if is_waiting else NEVER

    @property
    def has_begun(self) -> bool:
        """Whether the strategy's clock runs: it has received a row."""
        return self.is_ready and bool(self.bot.world.record["is_started"][0])

    def halt(
        self, *, is_flattening: bool = False, is_stop: bool = False, unbooked: Sequence[float] = ()
    ) -> int:
        """Halts the strategy, and closes its positions if `is_flattening`, else balances its pairs. Returns the time
        that it has reached. is_stop, unbooked: see `LiveBot.halt`."""
        self.bot.world.reach(self._local_ts)
        if self.is_ready:
            self.task.halt(is_flattening=is_flattening, is_stop=is_stop, unbooked=unbooked)
        return self._local_ts

    def stop(self) -> bool:
        """Stops the strategy; answers that are put later count as received after it. False if it does not end."""
        self.bot.world.reach(self._local_ts)
        return not self.is_ready or self.task.stop()
