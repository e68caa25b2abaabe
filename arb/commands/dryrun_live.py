"""`arb dry-run --live-data`: the strategy on live data, with the simulated exchange at its bot's port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.first_prices import live_mids
from arb.commands.idle_keys import World, configuration_notes
from arb.commands.legs import instrument_of, legs_of
from arb.commands.live_run import LiveParts, LiveRun
from arb.commands.run_files import common_manifest, limits_of
from arb.commands.run_setup import (
    Setup,
    WrittenRun,
    default_capital_note,
    run_folder_path,
    setup_of,
    with_end,
)
from arb.commands.sandbox_choice import source_at
from arb.config import Config
from arb.config.adapters import load_adapter
from arb.config.starting_capital import with_starting_capital
from arb.engine.price_range import RangeFinder
from arb.results.folder import RunFolder
from arb.runtime.host import Host
from arb.runtime.live_rows import LiveDriver
from arb.runtime.output import SessionOutput, Viewer
from arb.runtime.strategy_task import StrategyTask
from arb.runtime.warm import warm_session
from arb.sandbox.profiles import WIDE
from arb.sandbox.serve.urls import SIMULATED, VenueUrls
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import live_latency
from arb.simulation.watermark import VenueSide
from connectors.units import MILLISECOND

if TYPE_CHECKING:
    from arb.sandbox.serve.sandbox import Sandbox

#: The venues' side waits for rows that are late by up to this plus four times `disorder_ms`: see `VenueOrder`.
_SILENCE_NS = 500 * MILLISECOND
#: The note of a session on the seeded market.
_SIMULATED = f"market data of a sandbox, {SIMULATED}"


def run_live(
    config: Config,
    out: Path | None,
    *,
    duration_s: float | None = None,
    sandbox: Sandbox | Mapping[str, VenueUrls] | None = None,
    has_report: bool = True,
    log_json: bool = False,
    viewer: Viewer | None = None,
    echo: Callable[[str], None] | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> WrittenRun:
    """Runs a session on live data to its end; its folder has a backtest's files, the recording and the log.

    sandbox: replaces the venues: a sandbox of the session, not yet entered, or the addresses of a running one. viewer,
    echo: receive the session's views and every log line on a thread of their own; if they fail or block, the session is
    not affected. notice: receives a line for each wait before the session begins.
    Raises InputError and ConfigError before anything is written if it cannot begin; after everything is written,
    StrategyError if the strategy raised, and InputError if recording failed.
    """
    setup = setup_of(config)
    capital_notes = []
    if not config.capital:
        config = with_starting_capital(config, live_mids(config, sandbox, notice))
        capital_notes, setup = [default_capital_note(config)], setup_of(config)
    path = run_folder_path(out, datetime.now(UTC), "dry-run")
    with (
        RunFolder(path, is_open=True) as folder,
        SessionOutput(path / "log.txt", as_json=log_json, viewer=viewer, echo=echo) as log,
    ):
        host = Host(dict(config.venues), sandbox)
        world = World.LIVE if sandbox is None else World.SANDBOX
        notes = capital_notes + configuration_notes(config, setup, world)
        head = common_manifest("dry-run", config, *setup, datetime.now(UTC)) | {
            "notes": _origin_notes(config, sandbox)
        }
        session = LiveRun(
            config,
            setup,
            _simulated(config, setup),
            head=head,
            host=host,
            folder=folder,
            log=log,
            notes=notes,
            warnings=slow_answer_notes(config),
            has_report=has_report,
        )
        return session.run(duration_s)


def _origin_notes(config: Config, sandbox: Sandbox | Mapping[str, VenueUrls] | None) -> list[str]:
    """What the data are if they are not a venue's, and how the market of the session differs from a real one."""
    if sandbox is None:
        return []
    if not isinstance(sandbox, Mapping):
        return [
            _SIMULATED,
            f"a market for first sessions: every {WIDE.interval_s:g} s on average the price at a venue leaves the "
            f"others' by {WIDE.size_bps:g} bps on average, more than fees and the default threshold; real ones do not",
        ]
    source = source_at(sandbox[config.legs[0].venue].rest)
    if source == SIMULATED:
        return [_SIMULATED]
    return [f"market data of a sandbox{f', which replays {source}' if source else ''}"]


def _simulated(config: Config, setup: Setup) -> LiveParts:
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
    )
    adapters = [load_adapter(config.venues[leg.venue]) for leg in legs]
    warm_session(legs[0], list(zip(adapters, map(instrument_of, legs), strict=True)))
    function = with_end(config, strategy.function, legs, bot, recorder)
    task = StrategyTask(bot, function, setup.arguments.bind(bot, recorder))
    disorder_ns = round(config.dry_run.disorder_ms * MILLISECOND)
    side = VenueSide(bot.exchanges, disorder_ns, 4 * disorder_ns + _SILENCE_NS)
    ranges = [RangeFinder(leg) for leg in legs] if strategy.uses.arrays else []
    return LiveParts(LiveDriver(bot, task, side, ranges), recorder, limits)


def slow_answer_notes(config: Config) -> list[str]:
    """A line if orders may time out before their simulated responses can arrive."""
    wait_ms = config.value("execution.order_timeout_ms")
    slowest_ms = max(one.latency.entry_ms + one.latency.response_ms for one in config.venues.values())
    need_ms = slowest_ms + 2 * config.dry_run.disorder_ms
    if wait_ms >= need_ms:
        return []
    return [
        f"[execution] order_timeout_ms is {wait_ms}: simulated answers may take {need_ms:g} ms, with [dry_run] "
        "disorder_ms; orders may be given up before their response arrives"
    ]
