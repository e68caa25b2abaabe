"""Random programs over the whole interface of the bot: `python -m tests.parity.programs [--examples 10000]`.

A program is a list of steps; each step calls one method with arguments from tables that hold sane and absurd values
(assets that do not exist, NaN, negative and infinite prices, ids in use, times of zero and below). One compiled
interpreter runs it in hftbacktest's engine and in a dry-run over the same rows. The answers of every call, what was
raised, the fills and the last state must be equal. hypothesis makes the programs and shrinks one that differs. Each
batch runs in a process of its own, so that a crash is a failure with its seed. Exit code 4 on a difference.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from hftbacktest.order import BUY, GTC, GTX, LIMIT, MARKET  # noqa: E402
from hypothesis import HealthCheck, example, given, seed, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from numba import float64, int64, njit  # noqa: E402
from support.dry_market import dry_legs  # noqa: E402

from arb.backtest.assets import LegData, array_ranges, backtest_bot_for  # noqa: E402
from arb.bot.compilation import compile_strategy  # noqa: E402
from arb.bot.numba_types import bot_type  # noqa: E402
from arb.bot.uses import uses_of  # noqa: E402
from arb.runtime.replay import replay  # noqa: E402
from arb.simulation.bot import DryRunBot  # noqa: E402
from parity.strategies import put, put_order  # noqa: E402

MS = 1_000_000
#: Most assets are there; the others exist in no bot of two.
ASSETS = np.array([0] * 30 + [1] * 30 + [2, -1, 7, -(2**40)])
IDS = np.array([1, 2, 3, 4, 5, 6, 7, 0, 2**31, 2**62])
#: Distance of a price from its own touch, in ticks; the last ones are prices by themselves.
AWAY = np.array([0.0, 1.0, -1.0, 3.0, -3.0, 8.0, -8.0, 40.0, -400.0])
PRICES = np.array([np.nan, -1.0, 0.0, np.inf, -np.inf, 1e18, 1e-9])
QTYS = np.array([1.0, 2.0, 5.0, 1000.0, 0.0, -1.0, 0.5, np.nan, np.inf, 1e15])
TIMES = np.array([0, 1, 3 * MS, 20 * MS, 25 * MS, 100 * MS, 700 * MS, -1, -5 * MS])
#: The most that one program writes down.
JOURNAL = 400_000
#: Programs of one process.
BATCH = 500
_STEPS_MAX = 60


class Outcome(NamedTuple):
    """What a program saw and did in one world."""

    raised: str
    journal: Any
    fills: Any


@njit
def pick(table, number):
    """A value of a table by any number."""
    return table[number % len(table)]


@njit
def order_price(depth, side, number):
    """Near the touch of the order's side, or an absurd price."""
    if number % 16 == 15:
        return pick(PRICES, number // 16)
    touch = depth.best_bid if side == BUY else depth.best_ask
    return touch + pick(AWAY, number // 16) * depth.tick_size


@njit
def put_depth(out, bot, asset_no, number):
    """Every attribute of a book, and single levels near and far."""
    depth = bot.depth(asset_no)
    put(out, depth.best_bid)
    put(out, depth.best_ask)
    put(out, depth.best_bid_tick)
    put(out, depth.best_ask_tick)
    put(out, depth.best_bid_qty)
    put(out, depth.best_ask_qty)
    put(out, depth.tick_size)
    put(out, depth.lot_size)
    for tick in (depth.best_bid_tick, depth.best_ask_tick, 0, -5, 2**40):
        put(out, depth.bid_qty_at_tick(tick + number % 5 - 2))
        put(out, depth.ask_qty_at_tick(tick + number % 7 - 3))
    snapshot = depth.snapshot()
    put(out, len(snapshot))
    for row in snapshot:
        put(out, row.px)
        put(out, row.qty)
    depth.snapshot_free(snapshot)


@njit
def put_arrays(out, bot, asset_no, number):
    """The range of a book, and single places of its arrays as tutorials read them; one outside of them raises."""
    depth = bot.depth(asset_no)
    put(out, depth.roi_lb_tick)
    put(out, depth.roi_ub_tick)
    bids, asks = depth.bid_depth, depth.ask_depth
    put(out, len(bids))
    put(out, len(asks))
    put(out, bids.sum())
    put(out, asks.sum())
    if number % 4 > 0:
        put(out, bids[depth.best_bid_tick - depth.roi_lb_tick])
        put(out, asks[depth.best_ask_tick - depth.roi_lb_tick + number % 4])


@njit
def put_account(out, bot, asset_no):
    """Position, state values, latencies and public trades."""
    put(out, bot.num_assets)
    put(out, bot.position(asset_no))
    state = bot.state_values(asset_no)
    put(out, state.position)
    put(out, state.balance)
    put(out, state.fee)
    put(out, state.num_trades)
    put(out, state.trading_volume)
    put(out, state.trading_value)
    feed = bot.feed_latency(asset_no)
    if feed is not None:
        exch_ts, local_ts = feed
        put(out, exch_ts)
        put(out, local_ts)
    latency = bot.order_latency(asset_no)
    if latency is not None:
        req_ts, exch_ts, resp_ts = latency
        put(out, req_ts)
        put(out, exch_ts)
        put(out, resp_ts)
    trades = bot.last_trades(asset_no)
    put(out, len(trades))
    for trade in trades:
        put(out, trade.ev)
        put(out, trade.px)
        put(out, trade.qty)


@njit
def put_orders(out, bot, asset_no):
    """Orders by id and by iteration; the iterator's order is random in hftbacktest, so sums are written."""
    orders = bot.orders(asset_no)
    put(out, len(orders))
    for order_id in IDS:
        put(out, order_id in orders)
        order = orders.get(order_id)
        if order is not None:
            put_order(out, order)
    values = orders.values()
    total = 0.0
    while values.has_next():
        total += values.get().price_tick
    put(out, total)
    if len(orders) == 1:
        order = orders.values().next()
        if order is not None:
            put_order(out, order)


@njit
def resting(bot, asset_no, side):
    """Limit orders of a side that may rest at the venue, now or soon."""
    count = 0
    values = bot.orders(asset_no).values()
    while values.has_next():
        order = values.get()
        if (
            order.side == side
            and order.order_type == LIMIT
            and order.time_in_force <= GTX
            and order.status <= 1
        ):
            count += 1
    return count


@njit
def submit(bot, asset_no, step):
    """One order. One that rests stands alone on its side: sums of several fills in a nanosecond have no fixed order."""
    depth = bot.depth(asset_no)
    order_id = pick(IDS, step[2])
    side = BUY if step[3] % 2 == 0 else -1
    price = order_price(depth, side, step[3] // 2)
    qty = pick(QTYS, step[4]) * depth.lot_size
    time_in_force = step[5] % 5
    order_type = MARKET if step[5] % 7 == 6 else step[5] // 49 % 12 // 11 * 3
    wait = step[5] // 7 % 4 == 0
    if time_in_force in (GTC, GTX) and resting(bot, asset_no, side) > 0:
        time_in_force = 3
    if side == BUY:
        return bot.submit_buy_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)
    return bot.submit_sell_order(asset_no, order_id, price, qty, time_in_force, order_type, wait)


@njit
def take(out, bot, step, asset_no):
    """One step: method, asset, id, price, quantity, rest."""
    method = step[0] % 16
    put(out, bot.current_timestamp)
    if method < 4:
        put(out, submit(bot, asset_no, step))
    elif method == 4:
        put(out, bot.cancel(asset_no, pick(IDS, step[2]), step[5] % 3 == 0))
    elif method == 5:
        depth = bot.depth(asset_no)
        price = order_price(depth, BUY if step[3] % 2 == 0 else -1, step[3] // 2)
        qty = pick(QTYS, step[4]) * depth.lot_size
        put(out, bot.modify(asset_no, pick(IDS, step[2]), price, qty, step[5] % 3 == 0))
    elif method == 6:
        bot.clear_inactive_orders(asset_no)
    elif method == 7:
        bot.clear_last_trades(asset_no)
    elif method == 8:
        put(out, bot.wait_order_response(asset_no, pick(IDS, step[2]), pick(TIMES, step[5])))
    elif method == 9:
        put(out, bot.wait_next_feed(step[4] % 2 == 0, pick(TIMES, step[5])))
    elif method == 10:
        put(out, bot.elapse_bt(pick(TIMES, step[5])))
    elif method == 11:
        put_depth(out, bot, asset_no, step[4])
    elif method == 12:
        put_account(out, bot, asset_no)
    elif method == 13:
        put_orders(out, bot, asset_no)
    elif method == 14 and step[5] % 20 == 19:
        put(out, bot.close())
    else:
        put(out, bot.elapse(pick(TIMES, step[5])))


def interpret(bot, out, program):
    """Runs the steps of `program`, (steps, 6) int64."""
    for step in program:
        take(out, bot, step, pick(ASSETS, step[1]))


def interpret_with_arrays(bot, out, program):
    """The same for a book that keeps arrays over a range of prices."""
    for step in program:
        take(out, bot, step, pick(ASSETS, step[1]))
        if step[0] % 8 == 3:
            put_arrays(out, bot, pick(ASSETS, step[1]), step[4])


def legs() -> list[LegData]:
    """Both legs of a short simulated market, with a gap in its middle."""
    return dry_legs(3, steps=120, queue_model="risk_adverse")


def outcome(strategy: Any, bot: Any, run: Any, program: Any) -> Outcome:
    """Runs a program on a bot; `run(arguments)` raises what the strategy raised."""
    out = np.zeros(JOURNAL)
    raised = ""
    try:
        run((bot, out, program))
    except Exception as error:
        raised = f"{type(error).__name__}: {error}"
    fills = np.sort(bot.collect_fills(), order=["asset_no", "exch_ts", "order_id"])
    bot.close()
    return Outcome(raised, out[: int(out[0]) + 1].copy(), fills)


class Worlds:
    """An interpreter, compiled once, in both worlds."""

    def __init__(self, function: Any) -> None:
        self._strategy = compile_strategy(function)
        self._legs = legs()
        self._strategy.compile((bot_type, float64[::1], int64[:, ::1]))
        self._uses = uses_of(self._strategy)

    def backtest(self, program: Any) -> Outcome:
        """hftbacktest's engine."""
        bot = backtest_bot_for(self._uses, self._legs, None)
        return outcome(self._strategy, bot, lambda arguments: self._strategy(*arguments), program)

    def dry_run(self, program: Any) -> Outcome:
        """The dry-run's world."""
        bot = DryRunBot(
            [data.leg for data in self._legs],
            keep_trades=self._uses.trades,
            arrays_over=array_ranges(self._legs, self._uses),
        )

        def run(arguments: Any) -> None:
            task = replay(bot, [data.arrays for data in self._legs], self._strategy, arguments)
            if task.error is not None:
                raise task.error

        return outcome(self._strategy, bot, run, program)


def has_tie(fills: Any) -> bool:
    """Whether two fills of an asset share a nanosecond: hftbacktest applies them in a random order."""
    times = np.stack([fills["asset_no"].astype(np.int64), fills["exch_ts"]], axis=1)
    return len(np.unique(times, axis=0)) < len(fills)


def difference(theirs: Outcome, ours: Outcome) -> str:
    """What is not equal, or nothing."""
    if theirs.raised != ours.raised:
        return f"raised {theirs.raised!r}, {ours.raised!r}"
    if len(theirs.journal) != len(ours.journal):
        return f"{len(theirs.journal)} answers, {len(ours.journal)}"
    equal = (theirs.journal == ours.journal) | (np.isnan(theirs.journal) & np.isnan(ours.journal))
    if not equal.all():
        first = int(np.argmin(equal))
        return f"answer {first}: {theirs.journal[first]!r}, {ours.journal[first]!r}"
    return "" if theirs.fills.tobytes() == ours.fills.tobytes() else "fills"


_NUMBERS = st.integers(0, 2**16)
PROGRAMS = st.lists(st.tuples(*[_NUMBERS] * 6), min_size=1, max_size=_STEPS_MAX)


def check(examples: int, number: int) -> int:
    """Compares `examples` programs of one seed; how many had a tie and were not compared."""
    worlds, ties = Worlds(interpret_with_arrays if number // BATCH % 2 else interpret), 0

    @seed(number)
    @example([(0, 0, 0, 0, 0, 0), (0, 0, 1, 0, 854, 0)])  # an order of quantity 0, which no engine executes
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(PROGRAMS)
    def compare(steps: list[tuple[int, ...]]) -> None:
        nonlocal ties
        # The clock starts with the first wait.
        program = np.array([(15, 0, 0, 0, 0, 5), *steps], np.int64)
        theirs = worlds.backtest(program)
        if has_tie(theirs.fills):
            ties += 1
            return
        found = difference(theirs, worlds.dry_run(program))
        assert not found, found

    compare()
    return ties


def main() -> int:
    """Runs batches in processes of their own and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.batch:
        print(check(chosen.examples, chosen.seed))
        return 0
    start, done, ties, failed = time.perf_counter(), 0, 0, 0
    while done < chosen.examples:
        size = min(BATCH, chosen.examples - done)
        words = [sys.executable, "-m", "tests.parity.programs", "--batch"]
        words += ["--examples", str(size), "--seed", str(chosen.seed + done)]
        batch = subprocess.run(words, capture_output=True, text=True, check=False)
        done += size
        if batch.returncode == 0:
            with contextlib.suppress(ValueError):
                ties += int(batch.stdout.split()[-1])
        else:
            failed += 1
            print(f"seed {words[-1]}: exit {batch.returncode}\n{batch.stderr[-3000:]}", flush=True)
    print(
        f"{done:,} programs, {ties} with ties, {failed} batches failed, {time.perf_counter() - start:.0f} s"
    )
    return 4 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
