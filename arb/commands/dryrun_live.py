"""`arb dry-run --live-data`: the strategy on live data, with the simulated exchange at its bot's port."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.idle_keys import World
from arb.commands.legs import legs_of
from arb.commands.live_run import LiveParts
from arb.commands.live_session import Market, SessionKind, SessionOptions, run_session, warm_legs
from arb.commands.run_files import limits_of
from arb.commands.run_setup import Setup, WrittenRun, run_row, with_end
from arb.config import Config
from arb.engine.price_range import RangeFinder
from arb.runtime.live_rows import LiveDriver
from arb.runtime.order_tables import OrderTables
from arb.runtime.session_orders import NoOrders
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import live_latency
from arb.simulation.read import ReadSteps
from arb.simulation.watermark import VenueSide
from connectors.units import MILLISECOND

#: The venues' side waits for rows that are late by up to this plus four times `disorder_ms`: see `VenueOrder`.
_SILENCE_NS = 500 * MILLISECOND


def run_live(
    config: Config, out: Path | None, *, sandbox: Market = None, **options: Unpack[SessionOptions]
) -> WrittenRun:
    """Runs a session with simulated fills; sandbox: replaces the venues. See `run_session`."""
    world = World.LIVE if sandbox is None else World.SANDBOX
    kind = SessionKind("dry-run", world, lambda _: sandbox, _simulated, slow_answer_notes)
    return run_session(config, out, kind, sandbox, **options)


def _simulated(config: Config, setup: Setup, folder: Path) -> LiveParts:
    """The compiled strategy on a live bot, with the simulated exchange at its port. Compiles all of it."""
    legs = legs_of(config)
    recorder, limits = Recorder(len(legs)), limits_of(config)
    strategy = compile_ahead(*setup, recorder)
    bot = DryRunBot(
        legs,
        limits,
        latencies=[live_latency(leg) for leg in legs],
        keep_trades=strategy.uses.trades,
        is_live=True,
        logs_orders=True,
    )
    warm_legs(config)
    function = with_end(config, strategy.function, legs, bot, recorder)
    task = StrategyTask(bot, function, setup.arguments.bind(bot, recorder))
    disorder_ns = round(config.dry_run.disorder_ms * MILLISECOND)
    side = VenueSide(bot.exchanges, disorder_ns, 4 * disorder_ns + _SILENCE_NS)
    ReadSteps(bot.world, side)
    ranges = [RangeFinder(leg) for leg in legs] if strategy.uses.arrays else []
    orders = NoOrders(OrderTables(bot, run_row("dry-run", config, folder)))
    return LiveParts(LiveDriver(bot, task, side, ranges), recorder, limits, orders)


def slow_answer_notes(config: Config) -> list[str]:
    """A line if simulated responses may arrive when there is no time left to hedge what they report."""
    wait_ms = config.value("execution.order_timeout_ms")
    slowest_ms = max(one.latency.entry_ms + one.latency.response_ms for one in config.venues.values())
    need_ms = slowest_ms + 2 * config.dry_run.disorder_ms
    if wait_ms >= need_ms:
        return []
    return [
        f"[execution] order_timeout_ms is {wait_ms}: simulated answers may take {need_ms:g} ms, with [dry_run] "
        "disorder_ms; a leg may be reversed without having been chased"
    ]
