"""One strategy over the same rows in hftbacktest's engine and in a dry-run, and where the two differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT

from arb.backtest.assets import LegData, backtest_bot, make_asset
from arb.backtest.bot import hashmap_bot
from arb.bot.bot import Bot
from arb.bot.compilation import compile_strategy
from arb.bot.recorder import Recorder
from arb.risk.limits import Limits
from arb.runtime.live_rows import LiveDriver
from arb.runtime.replay import PIECE_ROWS, replay
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import recorded_latencies
from arb.simulation.read import ReadSteps
from arb.simulation.watermark import VenueSide

#: Places of a journal.
JOURNAL = 6_000_000
#: Where hftbacktest sums what one row filled in a random order, sums may differ by this much, relative.
_SUM_ROOM = 1e-11

#: Numbers of a journal that the end of the rows may change.
_LAST_LOOKS = 500
#: Rows of the recordings overtake each other by up to 166 ms.
DISORDER_NS = 250_000_000

#: The strategy's arguments, made for each world: (bot, recorder, journal) to a tuple.
Arguments = Callable[[Bot, Recorder, Any], tuple[Any, ...]]


class Outcome(NamedTuple):
    """Outcome of a run. fills are sorted: hftbacktest's log is in the random order of its hash map."""

    value: Any
    fills: Any
    records: Any
    decisions: Any
    journal: Any
    state: Any


class Compared(NamedTuple):
    """Both runs of a strategy: how much there was, and what was not equal."""

    orders: int
    fills: int
    looks: int
    differing: list[str]
    compiled: int


def vector_backtest(legs: Sequence[LegData], limits: Limits | None = None) -> Bot:
    """The product's backtest."""
    return backtest_bot(legs, limits, keep_trades=True)


def hashmap_backtest(legs: Sequence[LegData], limits: Limits | None = None) -> Bot:
    """hftbacktest's engine with the book that knows every price."""
    arrays = [array for data in legs for array in data.arrays]
    return hashmap_bot([make_asset(data, keep_trades=True) for data in legs], arrays, limits=limits)


def dry_run(legs: Sequence[LegData], limits: Limits | None = None, *, book_width: int = 1 << 15) -> DryRunBot:
    """The simulated exchange."""
    return DryRunBot([data.leg for data in legs], limits, keep_trades=True, book_width=book_width)


def run_backtest(strategy: Any, bot: Bot, arguments: Arguments) -> Outcome:
    """A run in the engine."""
    recorder, journal = Recorder(2), np.zeros(JOURNAL)
    value = strategy(*arguments(bot, recorder, journal))
    return _outcome(bot, recorder, journal, value)


def run_dry(
    strategy: Any, bot: DryRunBot, legs: Sequence[LegData], arguments: Arguments, piece_rows: int = PIECE_ROWS
) -> Outcome:
    """A run in the dry-run's world; raises what the strategy raised."""
    recorder, journal = Recorder(2), np.zeros(JOURNAL)
    task = replay(
        bot,
        [data.arrays for data in legs],
        strategy,
        arguments(bot, recorder, journal),
        piece_rows=piece_rows,
    )
    if task.error is not None:
        raise task.error
    if bot.world.lost:
        raise AssertionError(f"{bot.world.lost} requests or answers were lost")
    return _outcome(bot, recorder, journal, task.value)


def _outcome(bot: Bot, recorder: Recorder, journal: Any, value: Any) -> Outcome:
    last = Recorder(2, rows=1)
    _record_once(bot, last)
    fills = np.sort(bot.collect_fills(), order=["asset_no", "exch_ts", "order_id"])
    bot.close()
    # A copy of what was written: the rest of the buffer was never touched.
    return Outcome(
        value,
        fills,
        recorder.records.copy(),
        recorder.decisions.copy(),
        journal[: int(journal[0]) + 1].copy(),
        last.records.copy(),
    )


@compile_strategy
def _record_once(bot, recorder):
    recorder.record(bot)


def compare(
    function: Callable[..., Any],
    legs: Sequence[LegData],
    arguments: Arguments,
    *,
    backtest: Callable[..., Bot] = vector_backtest,
    limits: Callable[[], Limits] | None = None,
    piece_rows: int = PIECE_ROWS,
    is_exact: bool = True,
    **dry: Any,
) -> Compared:
    """Runs `function` in both worlds. is_exact: sums too must be equal to the last bit."""
    strategy = compile_strategy(function)
    theirs = run_backtest(strategy, backtest(legs, limits() if limits else None), arguments)
    before = len(strategy.signatures)
    ours = run_dry(
        strategy, dry_run(legs, limits() if limits else None, **dry), legs, arguments, piece_rows=piece_rows
    )
    differing = []
    for name in Outcome._fields:
        if not _is_equal(getattr(theirs, name), getattr(ours, name), name, is_exact):
            differing.append(name)
    orders = theirs.value if len(theirs.journal) > 1 else len(np.unique(theirs.decisions["order_id"]))
    looks = len(theirs.records) + len(theirs.journal)
    return Compared(orders, len(theirs.fills), looks, differing, len(strategy.signatures) - before)


def _is_equal(theirs: Any, ours: Any, name: str, is_exact: bool) -> bool:
    if name == "value":
        return bool(theirs == ours)
    if theirs.shape != ours.shape:
        return False
    if is_exact or name in ("fills", "decisions"):
        return bool(theirs.tobytes() == ours.tobytes())
    if theirs.dtype.names:
        return all(_is_close(theirs[field], ours[field]) for field in theirs.dtype.names)
    return _is_close(theirs, ours)


def _is_close(theirs: Any, ours: Any) -> bool:
    return bool(np.allclose(theirs, ours, rtol=_SUM_ROOM, atol=1e-9, equal_nan=True))


def received(arrays: Sequence[Any]) -> Any:
    """A leg's rows in the order of receipt, without flags."""
    rows = np.concatenate([array[array["ev"] & np.uint64(LOCAL_EVENT) != 0] for array in arrays])
    rows["ev"] &= ~np.uint64(LOCAL_EVENT | EXCH_EVENT)
    return rows


def drive(
    bot: DryRunBot,
    task: StrategyTask,
    rows_of_legs: Sequence[Any],
    disorder_ns: int = DISORDER_NS,
    *,
    read_max: int = 1,
    is_together: bool = False,
) -> int:
    """All rows at their local times as a feed gives them, and the host's timer in between; then a stop.

    read_max: messages of a leg that follow each other are a read, up to so many: the timer waits until its end.
    is_together: the messages of a read are passed together. Returns the number of rows that were too late for the
    simulated exchange.
    """
    late: list[int] = []
    side = VenueSide(bot.exchanges, disorder_ns, 4 * disorder_ns + 500_000_000)
    side.on_late = lambda leg_no, rows, watermark: late.append(rows)
    driver = LiveDriver(bot, task, side)
    task.resume()
    parts = []
    for number, rows in enumerate(rows_of_legs):
        cuts = [0, *(np.flatnonzero(np.diff(rows["local_ts"])) + 1), len(rows)]
        parts += [(int(rows["local_ts"][a]), number, a, b) for a, b in pairwise(cuts)]
    if is_together:
        ReadSteps(bot.world, side)
    for read in _reads(sorted(parts), read_max):
        now, number, first, _ = read[0]
        while driver.next_due < now:
            driver.on_time(driver.next_due)
        rows = rows_of_legs[number]
        if driver.messages_max:
            ends = np.array([end - first for *_, end in read])
            done, is_alive, found = driver.on_read(number, rows[first : read[-1][3]], ends, read[-1][0])
            late += [one.rows for one in found]
            assert done == len(read) or not is_alive
        else:
            is_alive = all(driver.on_rows(number, rows[a:b], now) for now, _, a, b in read)
        if not is_alive:
            break
    driver.stop()
    return sum(late)


def _reads(
    parts: list[tuple[int, int, int, int]], read_max: int
) -> Iterator[list[tuple[int, int, int, int]]]:
    """Messages (time, leg, first row, end) in their order, those of a leg together."""
    read: list[tuple[int, int, int, int]] = []
    for part in parts:
        if read and (part[1] != read[0][1] or len(read) == read_max):
            yield read
            read = []
        read.append(part)
    yield read


def compare_again(function: Callable[..., Any], legs: Sequence[LegData], arguments: Arguments) -> Compared:
    """Runs `function` on rows as they come, then replays the same rows with the times that were recorded.

    The first run is stopped where the rows end, so its last looks may have no counterpart.
    """
    strategy = compile_strategy(function)
    bot = DryRunBot([data.leg for data in legs], keep_trades=True, is_live=True)
    recorder, journal = Recorder(2), np.zeros(JOURNAL)
    task = StrategyTask(bot, strategy, arguments(bot, recorder, journal))
    late = drive(bot, task, [received(data.arrays) for data in legs])
    answers, start_ts = bot.world.answers.copy(), bot.world.start_ts
    first = _outcome(bot, recorder, journal, task.value)
    replayed = DryRunBot(
        [data.leg for data in legs],
        latencies=recorded_latencies(answers, len(legs)),
        keep_trades=True,
        start_ts=start_ts,
    )
    again = run_dry(strategy, replayed, legs, arguments)
    last = len(first.journal) - _LAST_LOOKS
    differing = [] if again.journal[1:last].tobytes() == first.journal[1:last].tobytes() else ["journal"]
    if late:
        differing.append(f"{late} rows behind the watermark")
    if task.error is not None or len(answers) == 0:
        differing.append(f"the first run: {task.error}")
    return Compared(len(np.unique(answers["order_id"])), len(first.fills), last, differing, 0)
