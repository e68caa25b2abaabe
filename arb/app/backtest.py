"""`arb backtest`: recorded days through a strategy, into a run folder."""

from __future__ import annotations

import contextlib
import math
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import hftbacktest
import msgspec
import numba
import numpy as np

import arb
from arb.app.facts import facts_of
from arb.app.legs import instrument_of, leg_of, load_adapter
from arb.app.recordings import StartProgress, bytes_of
from arb.app.report import figures_of_run, report_files
from arb.backtest.assets import LegData, backtest_bot
from arb.backtest.runner import Ended, compile_for, run
from arb.bot.bot import Bot
from arb.bot.cache import bot_compiled
from arb.bot.recorder import Recorder
from arb.config import Config
from arb.data.cache import RowCache
from arb.data.catalog import Day, select_days
from arb.data.convert import Conversion, Feed, code_version, convert
from arb.data.prune import prune
from arb.data.usable import bookless_notes, refuse_unusable
from arb.errors import ExitCode
from arb.leg import Leg
from arb.report.attempts_table import attempts_csv
from arb.report.facts import FORMAT
from arb.report.notes import archive_notes, origin_notes, source_of
from arb.report.run_files import finished_run
from arb.report.summary import Figures
from arb.report.summary_fields import Summary
from arb.risk.limits import AssetLimits, Limits
from arb.run.arguments import Arguments
from arb.run.folder import RunFolder
from arb.run.strategy import LoadedStrategy, load_strategy
from arb.run.trades import HEADER, Trade, trades_of
from arb.strategy.decisions import Outcome

_NS_PER_MS = 1_000_000
#: With a larger share of clamped rows a run says that its clock is wrong.
_CLAMPED_SHARE_MAX = 0.001


class BacktestResult(NamedTuple):
    """A finished backtest: where it was written, what it came to, what the command exits with."""

    folder: Path
    summary: Summary
    trades: list[Trade]
    exit_code: ExitCode
    #: The strategy thread still runs and cannot be stopped: the process must end without it.
    is_lost: bool


def run_backtest(
    config: Config,
    start: date,
    end: date | None,
    out: Path | None,
    *,
    progress: StartProgress | None = None,
    has_report: bool = True,
) -> BacktestResult:
    """Replays the days of both legs through the configured strategy and writes the run's folder.

    `progress` hears of the bytes that are read where recordings are converted. Without `has_report`, or when the run
    is interrupted, there is no page and there are no charts; `arb report` makes them later.
    """
    strategy = load_strategy(config.strategy.function)
    arguments = Arguments(strategy, facts_of(config), config.strategy.params, legs=len(config.legs))
    legs = [leg_of(leg) for leg in config.legs]
    days = select_days(
        Path(config.data.directory), [(leg.venue, leg.symbol) for leg in legs], start, end, config.file
    )
    notes = origin_notes(day for leg_days in days for day in leg_days)
    for leg, leg_days in zip(legs, days, strict=True):
        notes += archive_notes(leg_days, leg.feed_latency_ns)
    if config.data.note is not None:
        notes.append(config.data.note)
    now = datetime.now(UTC)
    folder_path = out or Path("runs") / f"{now:%Y%m%dT%H%M%S.%fZ}-backtest"
    with RunFolder(folder_path) as folder, RowCache() as cache:
        feeds = [
            Feed(load_adapter(configured.venue), recordings, leg.feed_latency_ns, instrument_of(leg))
            for configured, leg, recordings in zip(config.legs, legs, days, strict=True)
        ]
        offset_ms = config.clock.offset_ms
        offset_ns = None if offset_ms is None else round(offset_ms * _NS_PER_MS)
        conversion = convert(
            feeds, cache, offset_ns=offset_ns, progress=progress and progress(bytes_of(days))
        )
        prune_cache(cache, config.data.cache_gb)
        refuse_unusable(conversion, feeds)
        notes += clamp_notes(legs, conversion) + bookless_notes(conversion, feeds)
        replayed = [
            LegData(leg, [rows for n, file in enumerate(files) for rows in file.load(is_first=n == 0)])
            for leg, files in zip(legs, conversion.files, strict=True)
        ]
        limits = limits_of(config)
        recorder = Recorder(len(legs))
        bot = backtest_bot(replayed, limits, keep_trades=strategy.reads_trades)
        bound = arguments.bind(bot, recorder)
        compiled = compile_for(strategy, bound)
        ended = run(compiled, bound, bot)
        # Taken once, and before the last state: a strategy that was lost may still write.
        records, decisions = recorder.records, recorder.decisions
        fills, final = _finish(bot, recorder, ended)
        trades = trades_of(fills, decisions, legs)
        outcome, exit_code = _outcome(ended)
        manifest = _manifest(config, strategy, arguments, days, conversion, now) | {
            "outcome": outcome,
            "first_day": str(days[0][0].day),
            "last_day": str(days[0][-1].day),
            "notes": notes,
            "refusals": {leg.name: limits.refusals_by_rule(n) for n, leg in enumerate(legs)},
        }
        figures = figures_of_run(finished_run(manifest, records, final, decisions, trades))
        by_leg = {str(n): records[:, n] for n in range(len(legs))}
        folder.write_arrays("records.npz", {**by_leg, "final": final, "decisions": decisions})
        _write(folder, manifest, trades, figures)
        if has_report and not ended.is_interrupted:  # who interrupts does not wait for charts
            for name, content in report_files(figures):
                folder.write_bytes(name, content)
        folder.publish()
    return BacktestResult(folder.path, figures.summary, trades, exit_code, ended.is_lost)


def prune_cache(cache: RowCache, cache_gb: float) -> None:
    """Keeps the row cache to its bound; a run does not fail for a cache that cannot be tidied."""
    if cache_gb > 0.0:
        with contextlib.suppress(OSError):
            prune(cache.directory, round(cache_gb * 1e9))


def clamp_notes(legs: Sequence[Leg], conversion: Conversion) -> list[str]:
    """A line for each leg of which so many rows claim to be from the future that the clock offset must be wrong."""
    notes = []
    for leg, files in zip(legs, conversion.files, strict=True):
        clamped, rows = sum(file.clamped for file in files), sum(file.rows for file in files)
        if clamped > rows * _CLAMPED_SHARE_MAX:
            notes.append(
                f"{leg.name}: {clamped:,} rows were stamped later than received and count as received at "
                "once; the clock offset is too small ([clock] offset_ms; without it, it is measured)"
            )
    return notes


def limits_of(config: Config) -> Limits:
    """The order-level limits of a configuration, one entry a leg."""
    risk = config.risk
    assets = [
        AssetLimits(
            qty_max=risk.max_order_qty or math.inf,
            notional_max=risk.max_order_notional or math.inf,
            position_max=leg.position_limit,
            contract_size=leg.contract_size,
        )
        for leg in config.legs
    ]
    return Limits(assets, orders_max=risk.max_orders_per_second)


@bot_compiled
def _record_once(bot, recorder):  # type: ignore[no-untyped-def]
    recorder.record(bot)


def _finish(bot: Bot, recorder: Recorder, ended: Ended) -> tuple[Any, Any]:
    """All fills and the last state of each leg. A strategy that was lost still owns the bot: then what was saved."""
    if ended.is_lost:
        records = recorder.records
        return bot.fills, records[-1] if len(records) else np.zeros(
            recorder.records.shape[1], recorder.records.dtype
        )
    last = Recorder(recorder.records.shape[1], rows=1)
    _record_once(bot, last)
    fills = bot.collect_fills().copy()
    bot.close()
    return fills, last.records[-1]


def _outcome(ended: Ended) -> tuple[str, ExitCode]:
    if ended.is_interrupted:
        return "interrupted", ExitCode.INTERRUPTED
    is_halted = isinstance(ended.value, int) and ended.value == Outcome.HALTED
    return ("halted", ExitCode.HALTED_BY_RISK) if is_halted else ("ended", ExitCode.DONE)


def _write(folder: RunFolder, manifest: Mapping[str, Any], trades: Sequence[Trade], figures: Figures) -> None:
    folder.write_json("summary.json", figures.summary.as_dict())
    folder.write_csv("trades.csv", HEADER, trades)
    folder.write_bytes("attempts.csv", attempts_csv(figures.attempts).encode())
    folder.write_json("manifest.json", manifest)


def _manifest(
    config: Config,
    strategy: LoadedStrategy,
    arguments: Arguments,
    days: Sequence[Sequence[Day]],
    conversion: Conversion,
    created: datetime,
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
        "command": "backtest",
        "arb": arb.__version__,
        "code": code_version(),
        "python": platform.python_version(),
        "hftbacktest": hftbacktest.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "strategy": {
            "function": strategy.spec,
            "sha256": strategy.source_sha256,
            "params": arguments.params,
            "arguments": dict(arguments.numbers),
        },
        "clock_offset_ns": conversion.offset_ns,
        "inputs": [
            {
                "leg": leg.name,
                "day": str(day.day),
                "source": source_of(day),
                "raw_sha256": file.raw_sha256,
                "rows": file.rows,
                "clamped": file.clamped,
                "stepped_back": file.stepped_back,
                "gaps": file.scan.gaps,
                "book": msgspec.to_builtins(file.scan.book.moved(file.offset_ns)),
                "is_carried": file.scan.is_carried,
            }
            for leg, leg_days, files in zip(config.legs, days, conversion.files, strict=True)
            for day, file in zip(leg_days, files, strict=True)
        ],
        "config": config.as_dict(),
    }
