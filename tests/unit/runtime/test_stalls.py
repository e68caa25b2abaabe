"""A process that stalls hands rows over late; told again with what was kept of that, the run is the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT
from parity.strategies import quote_touches, random_orders
from support.dry_market import MS, leg, received_rows

from arb.bot.compilation import compile_strategy
from arb.runtime.live_rows import LiveDriver
from arb.runtime.replay import replay
from arb.runtime.replay_marks import happened_after
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import recorded_latencies
from arb.simulation.watermark import VenueSide

pytestmark = pytest.mark.slow

S = 1_000_000_000
STALL_NS = 3 * S


def stalled_rows(seed: int) -> tuple[list[Any], list[int]]:
    """Both legs' rows, of which those of a stall are received at its end; when the stalls end."""
    legs = [received_rows(number, seed, 1500) for number in range(2)]
    first = int(legs[0]["local_ts"][0])
    starts = first + 5 * S + np.arange(3) * 8 * S + np.random.default_rng(seed).integers(0, S, 3)
    for number, rows in enumerate(legs):
        for start in starts:
            is_held = (rows["local_ts"] > start) & (rows["local_ts"] <= start + STALL_NS)
            # As a socket's buffer is read: a frame after the other, no two at one time.
            rows["local_ts"][is_held] = start + STALL_NS + np.cumsum(is_held)[is_held] * 20_000 + number
            rows[:] = rows[np.argsort(rows["local_ts"], kind="stable")]
    return legs, [int(start) + STALL_NS for start in starts]


class Run:
    """One run on rows as they come; what both sides made of them."""

    def __init__(self, function: Any, arguments: Any, seed: int, *, is_timer_first: bool) -> None:
        self.local: list[list[Any]] = [[], []]
        self.exch: list[list[Any]] = [[], []]
        self.bot = DryRunBot([leg(number) for number in range(2)], is_live=True, keep_trades=True)
        self.journal = np.zeros(3_000_000)
        self.task = StrategyTask(self.bot, compile_strategy(function), (self.bot, self.journal, *arguments))
        # As a session: the venues' side follows the clock at 0.9 s.
        self.late, self._late = 0, []
        side = VenueSide(self.bot.exchanges, 100 * MS, 900 * MS)
        side.on_late = self._on_late
        self.driver = LiveDriver(self.bot, self.task, side)
        legs, stall_ends = stalled_rows(seed)
        self.task.resume()
        parts = []
        for number, rows in enumerate(legs):
            cuts = [0, *(np.flatnonzero(np.diff(rows["local_ts"])) + 1), len(rows)]
            parts += [(int(rows["local_ts"][a]), number, rows[a:b]) for a, b in pairwise(cuts)]
        for now, number, rows in sorted(parts, key=lambda part: part[:2]):
            while stall_ends and stall_ends[0] <= now:
                if is_timer_first:
                    self.driver.on_time(stall_ends[0])
                del stall_ends[0]
            self._show(number, rows, now)
        self.end_ts = now
        self.answers, self.start_ts = self.bot.world.answers.copy(), self.bot.world.start_ts
        self.looks = int(self.journal[0])
        self.driver.stop()

    def _on_late(self, leg_no: int, rows: int, watermark: int) -> None:
        self.late += rows
        self._late.append(watermark)

    def _show(self, number: int, rows: Any, now: int) -> None:
        self.driver.on_rows(number, rows, now)
        below = self._late.pop() if self._late else None
        for side, flag, shown in (
            (self.local, LOCAL_EVENT, rows.copy()),
            (self.exch, EXCH_EVENT, rows.copy() if below is None else happened_after(rows, below)),
        ):
            shown["ev"] |= np.uint64(flag)
            side[number].append(shown)


def replayed(run: Run, function: Any, arguments: Any, *, keeps_late: bool) -> Any:
    """The journal of a replay, up to where the run ended."""
    legs, latencies = [leg(number) for number in range(2)], recorded_latencies(run.answers, 2)
    bot = DryRunBot(legs, latencies=latencies, keep_trades=True, start_ts=run.start_ts)
    journal = np.zeros(3_000_000)
    local = [np.concatenate(parts) for parts in run.local]
    exch = [np.concatenate(parts) for parts in (run.exch if keeps_late else run.local)]
    for rows in exch:
        rows["ev"] |= np.uint64(EXCH_EVENT)
        rows[:] = rows[np.argsort(rows["exch_ts"], kind="stable")]
    replay(
        bot,
        [[rows] for rows in local],
        compile_strategy(function),
        (bot, journal, *arguments),
        venue_rows=[[rows] for rows in exch],
        until_ts=run.end_ts,
    )
    return journal


@pytest.mark.parametrize("is_timer_first", [False, True])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("function", "arguments"),
    [(random_orders, (4, 120, 1, 0.001, 0.003)), (quote_touches, (0.01, 25 * MS))],
)
def test_a_run_with_stalls_is_replayed(
    function: Any, arguments: Any, seed: int, is_timer_first: bool
) -> None:
    run = Run(function, arguments, seed, is_timer_first=is_timer_first)

    journal = replayed(run, function, arguments, keeps_late=True)

    assert run.late > 100
    assert len(run.answers) > 50
    assert journal[1 : run.looks].tobytes() == run.journal[1 : run.looks].tobytes()


def test_without_what_was_kept_of_late_rows_it_is_another_run() -> None:
    arguments = (0.01, 25 * MS)
    run = Run(quote_touches, arguments, 0, is_timer_first=True)

    journal = replayed(run, quote_touches, arguments, keeps_late=False)

    assert journal[1 : run.looks].tobytes() != run.journal[1 : run.looks].tobytes()
