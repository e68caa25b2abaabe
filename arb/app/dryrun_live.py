"""`arb dry-run --live-data`: feeds, recorder, strategy and simulated exchange put together, and the session's folder.

One thread runs the event loop and the strategy; beside it there are the recorder's thread and the watchdog's.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import hftbacktest
import msgspec
import numba
import numpy as np

import arb
from arb.app.dryrun import (
    DryRunResult,
    Setup,
    outcome_of,
    refuse_lost,
    run_folder_path,
    setup_of,
    strategy_error,
)
from arb.app.feeds import LiveFeed, open_feed
from arb.app.legs import instrument_of, leg_of, load_adapter
from arb.app.run_files import (
    Told,
    common_manifest,
    configured_offset_ns,
    limits_of,
    refusals_of,
    told_of,
    write_run,
)
from arb.app.running_sandbox import with_sandbox
from arb.app.session_log import SessionLog
from arb.app.session_state import SessionView, view_of
from arb.backtest.runner import compile_for, leave_now
from arb.bot.recorder import Recorder
from arb.config import Config, VenueConfig
from arb.data.raw import sha256_of
from arb.data.recorder.recorder import Recorder as FrameRecorder
from arb.dryrun.bot import DryRunBot, SimulatedLeg
from arb.dryrun.latencies import feed_latencies, order_latencies
from arb.dryrun.live import LiveDriver
from arb.dryrun.session import Session
from arb.dryrun.strand import Strand
from arb.dryrun.warm import warm_session
from arb.dryrun.watchdog import Watchdog
from arb.dryrun.watermark import VenueOrder
from arb.errors import ArbError, ExitCode, InputError, StrategyError
from arb.run.folder import RunFolder
from arb.run.trades import iso_time
from arb.sandbox.serve.urls import VenueUrls
from arb.sim.latency import answers_by_asset
from connectors.lag import OffsetEstimator
from connectors.sockets import new_event_loop

_NS_PER_MS = 1_000_000
#: The longest that a row may be under way without holding the venues' side up: see `VenueOrder`.
_SILENCE_NS = 500 * _NS_PER_MS
#: The strategy is looked after at least so often, and at most.
_TICK_S, _TICK_MIN_S = 0.010, 0.0005
_VIEW_S = 0.5

RECORDING, SESSION = "recording", "session.npz"


class Viewer(Protocol):
    """Shows a session while it goes on."""

    def show(self, view: SessionView) -> None: ...

    def close(self) -> None: ...


class LiveRun:
    """One session, from its configuration to its folder. `run` once, on the main thread."""

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        setup: Setup,
        log: SessionLog,
        *,
        venues: Mapping[str, VenueConfig],
        has_report: bool,
        is_sandbox: bool,
        viewer: Viewer | None,
    ) -> None:
        self._config = config
        self._folder = folder
        self._setup = setup
        self._log = log
        self._venues = venues
        self._has_report = has_report
        self._is_sandbox = is_sandbox
        self._viewer = viewer
        self._created = datetime.now(UTC)
        self._began_ns = time.monotonic_ns()
        self._legs = [leg_of(leg) for leg in config.legs]
        self._feeds: list[tuple[LiveFeed, list[int]]] = []
        self._error: BaseException | None = None
        self._stop_reason = ""
        self._writing = threading.Lock()
        self._recorder = Recorder(len(self._legs))
        self._limits = limits_of(config)
        self._bot = DryRunBot(
            [SimulatedLeg(leg) for leg in self._legs],
            self._limits,
            keep_trades=setup.strategy.reads_trades,
            is_live=True,
        )
        bound = setup.arguments.bind(self._bot, self._recorder)
        strategy = compile_for(setup.strategy, bound)
        warm_session(
            [
                (load_adapter(own.venue), instrument_of(leg))
                for own, leg in zip(config.legs, self._legs, strict=True)
            ]
        )
        view_of(self._bot, self._legs, [], [])
        self._strand = Strand(self._bot, strategy, bound)
        disorder_ns = round(config.dry_run.disorder_ms * _NS_PER_MS)
        orders = [VenueOrder(disorder_ns, 4 * disorder_ns + _SILENCE_NS) for _ in self._legs]
        self._driver = LiveDriver(self._bot, self._strand, orders)

    def run(self, duration_s: float | None) -> DryRunResult:
        """Runs until the strategy ends, `duration_s` are over or a signal comes, and writes the folder.

        Raises StrategyError and InputError once everything is written.
        """
        record = self._config.record
        versions = {
            "arb": arb.__version__,
            "hftbacktest": hftbacktest.__version__,
            "numba": numba.__version__,
        }
        with (
            FrameRecorder(
                self._folder.path / RECORDING,
                segment_s=record.segment_s,
                reserve_gb=record.reserve_gb,
                fsync_s=record.fsync_s,
                versions=versions,
                on_error=self._recorder_failed,
            ) as self._frames,
            asyncio.Runner(loop_factory=new_event_loop) as runner,
        ):
            runner.run(self._run(duration_s))
        self._summarize_stop()
        result = self._finish()
        if self._error is not None:
            raise self._error
        return result

    async def _run(self, duration_s: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._loop = loop
        offset = OffsetEstimator(configured_offset_ns(self._config))
        self._session = Session(
            self._legs, self._driver, offset, self._frames, log=self._log.event, ended=self._over.set
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(
                ValueError, RuntimeError
            ):  # not on the main thread: somebody else listens
                loop.add_signal_handler(number, self._stop_for, "interrupted")
        watchdog = Watchdog(
            lambda: self._session.entered_ns,
            lambda: self._bot.world.heartbeat,
            self._config.dry_run.hang_s,
            self._hung,
        )
        watchdog.start()
        try:
            self._open_feeds(offset)
            for note in slow_answer_notes(self._config):
                self._log.event("warning", note)
            self._log.event("start", f"ready after {(time.monotonic_ns() - self._began_ns) / 1e9:.2f} s")
            if not self._session.start(self._strand.resume):
                self._over.set()
            self._tick()
            view = asyncio.create_task(self._show())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), duration_s)
            view.cancel()
            self._end_strategy()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for feed, _ in self._feeds:
                await feed.close()
            watchdog.close()

    _timer: asyncio.TimerHandle | None = None

    def _open_feeds(self, offset: OffsetEstimator) -> None:
        by_venue: dict[str, list[int]] = {}
        for number, leg in enumerate(self._legs):
            by_venue.setdefault(leg.venue, []).append(number)
        for name, numbers in by_venue.items():
            tap = self._session.tap_of(numbers, name)
            feed = open_feed(
                self._venues[name],
                [self._legs[number].symbol for number in numbers],
                tap,
                tap=tap,
                offset=offset,
                stale_after_ms=self._config.execution.stale_after_ms,
            )
            self._feeds.append((feed, numbers))
        for feed, _ in self._feeds:
            feed.feed.start()

    def _tick(self) -> None:
        self._session.on_time()
        if not self._session.is_over:
            delay_s = min(_TICK_S, max(_TICK_MIN_S, self._session.due_ns / 1e9))
            self._timer = self._loop.call_later(delay_s, self._tick)

    async def _show(self) -> None:
        """What a person sees; the first word of the strategy's first row."""
        is_told = False
        while True:
            await asyncio.sleep(_VIEW_S)
            if not is_told and self._session.first_row_ns:
                is_told = True
                after_s = (self._session.first_row_ns - self._began_ns) / 1e9
                self._log.event("start", f"the strategy heard of its first row after {after_s:.2f} s")
            if self._viewer is not None:
                self._viewer.show(view_of(self._bot, self._legs, self._feeds, self._session.events))

    def _stop_for(self, reason: str) -> None:
        self._stop_reason = reason
        self._over.set()

    def _recorder_failed(self, error: ArbError) -> None:
        """On any thread. Without its recording a session cannot be told again: it ends."""
        self._error = self._error or error
        self._loop.call_soon_threadsafe(self._over.set)

    def _end_strategy(self) -> None:
        """What the strategy did until here counts; then it is stopped."""
        self._counts = len(self._recorder.decisions), len(self._recorder.records)
        self._is_parked = False
        if self._strand.is_alive:
            self._is_parked = not self._session.stop()
        self._session.is_over = True

    def _summarize_stop(self) -> None:
        if self._session.fault is not None:
            self._error = self._error or self._session.fault
        if self._strand.error is not None:
            self._error = self._error or strategy_error(self._strand.error)
        if self._is_parked:
            self._error = self._error or StrategyError("the strategy does not end when it is stopped")

    def _finish(self) -> DryRunResult:
        outcome, code = outcome_of(self._strand.value)
        if self._stop_reason:
            outcome, code = self._stop_reason, ExitCode.INTERRUPTED
        if self._error is not None:
            outcome, code = "hung" if self._is_parked else "failed", ExitCode.OUR_FAULT
        else:
            refuse_lost(self._bot)
        # A parked strategy still owns its bot.
        answers, start_ts = self._bot.world.answers.copy(), self._bot.world.start_ts
        working = view_of(self._bot, self._legs, [], []).working
        told = told_of(self._bot, self._recorder, self._legs, is_lost=self._is_parked)
        is_whole = code not in (ExitCode.INTERRUPTED, ExitCode.OUR_FAULT)
        summary = self._write(told, answers, start_ts, outcome, has_report=self._has_report and is_whole)
        for leg, final in zip(self._legs, told.final, strict=True):
            self._log.event("position", f"{leg.name} {float(final['position']):+.10g}")
        if working:
            self._log.event("orders", f"{working} working orders were pulled")
        self._log.event("end", f"{outcome}: {len(told.trades)} fills, written to {self._folder.path}")
        return DryRunResult(self._folder.path, summary, told.trades, code)

    def _write(self, told: Told, answers: Any, start_ts: int, outcome: str, *, has_report: bool) -> Any:
        folder, session = self._folder, self._session
        record = session.record
        decisions, records = self._counts
        folder.write_arrays(
            SESSION,
            {
                "marks": record.marks,
                "sums": record.sums,
                "answers": answers,
                "times": np.array([start_ts, record.end_ts], np.int64),
                "counts": np.array([decisions, records], np.int64),
            },
        )
        for number, (leg, heard) in enumerate(
            zip(self._legs, answers_by_asset(answers, len(self._legs)), strict=True)
        ):
            name = f"latency/{leg.venue}_{leg.symbol.lower()}"
            folder.write_bytes(f"{name}_orders.npz", _npz(order_latencies(heard)))
            folder.write_bytes(f"{name}_feed.npz", _npz(feed_latencies(session.lags_of(number))))
        manifest = self._manifest(outcome)
        figures = write_run(folder, manifest, told, has_report=has_report)
        folder.publish()
        return figures.summary

    def _manifest(self, outcome: str) -> dict[str, Any]:
        session = self._session
        inputs = [self._input(number) for number in range(len(self._legs))]
        days = [str(row["day"]) for row in inputs]
        state = self._frames.state
        notes = ["market data of arb sandbox serve, simulated"] if self._is_sandbox else []
        if session.late:
            notes.append(
                f"{session.late} rows came later than [dry_run] disorder_ms allows; fills may differ from the venue's"
            )
        return common_manifest("dry-run", self._config, *self._setup, self._created) | {
            "first_day": min(days),
            "last_day": f"{datetime.now(UTC):%Y-%m-%d}",
            "notes": notes,
            "clock_offset_ns": None,
            "inputs": inputs,
            "outcome": outcome,
            "error": None if self._error is None else str(self._error),
            "refusals": refusals_of(self._limits, self._legs),
            "session": {
                "late_rows": session.late,
                "late_since": session.late_since,
                "lost_frames": state.lost_frames,
                "recording_error": None if state.error is None else str(state.error),
                "events": dict(sorted(session.event_counts.items())),
            },
        }

    def _input(self, number: int) -> dict[str, Any]:
        leg, spells = self._legs[number], self._session.spells_of(number)
        files = recording_files(self._folder.path / RECORDING, leg.venue, leg.symbol)
        day = iso_time(spells.first_ts)[:10] if spells.first_ts else f"{self._created:%Y-%m-%d}"
        return {
            "leg": leg.name,
            "day": day,
            "source": "live",
            "raw_sha256": "+".join(sha256_of(path) for path in files),
            "rows": self._session.rows_of(number),
            "clamped": 0,
            "stepped_back": 0,
            "gaps": self._session.gaps_of(number),
            "book": msgspec.to_builtins(spells),
            "is_carried": False,
        }

    def _hung(self, what: str) -> None:
        """The watchdog's thread. The strategy holds the main thread for good: what was saved is written from here."""
        with self._writing:
            try:
                self._error = StrategyError(what)
                self._is_parked = True
                self._counts = len(self._recorder.decisions), len(self._recorder.records)
                self._session.is_over = True
                self._frames.close()
                told = told_of(self._bot, self._recorder, self._legs, is_lost=True)
                answers = self._bot.world.answers.copy()
                self._write(told, answers, self._bot.world.start_ts, "hung", has_report=False)
                self._log.event("hung", what)
                if self._viewer is not None:
                    self._viewer.close()
                print_error(f"{what}; its orders are void, the session is in {self._folder.path}")
            except Exception as error:  # the process ends here, whatever happens
                print_error(f"{what}; the session cannot be written: {error}")
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                leave_now(ExitCode.OUR_FAULT)


def slow_answer_notes(config: Config) -> list[str]:
    """A line where orders are given up before their simulated answers can have come."""
    wait_ms = config.execution.order_timeout_ms
    slowest_ms = max(leg.latency.entry_ms + leg.latency.response_ms for leg in config.legs)
    need_ms = slowest_ms + 2 * config.dry_run.disorder_ms
    if wait_ms >= need_ms:
        return []
    return [
        f"[execution] order_timeout_ms is {wait_ms}: simulated answers may take {need_ms:g} ms, with [dry_run] "
        "disorder_ms; orders may be given up before they are heard of"
    ]


def print_error(text: str) -> None:
    """A line on standard error, as commands end with."""
    sys.stderr.write(f"error: {' '.join(text.split())}\n")


def recording_files(folder: Path, venue: str, symbol: str) -> list[Path]:
    """The recording of an instrument, a file a day."""
    return sorted((folder / venue).glob(f"{symbol.lower()}_????????.gz"))


def run_live(
    config: Config,
    out: Path | None,
    *,
    duration_s: float | None = None,
    sandbox: Mapping[str, VenueUrls] | None = None,
    has_report: bool = True,
    log_json: bool = False,
    viewer: Viewer | None = None,
    echo: Callable[[str], None] | None = None,
) -> DryRunResult:
    """A session on live data until it ends; its folder has all that a backtest's has, the recording and the log.

    sandbox: the addresses of a running sandbox, instead of the venues'. echo: told every line of the log, too.
    Raises InputError and ConfigError before anything is written where it cannot begin; StrategyError for a strategy
    that raises, and InputError for a recording that cannot go on, when all is written.
    """
    setup = setup_of(config)
    venues = {leg.venue.name: leg.venue for leg in config.legs}
    if sandbox is not None:
        reached = with_sandbox(venues, sandbox)
        if missing := sorted(venues.keys() - reached.keys()):
            raise InputError(
                f"the sandbox does not serve {', '.join(missing)}: start it with --venues, or choose other legs"
            )
        venues = reached
    path = run_folder_path(out, datetime.now(UTC), "dry-run")
    with (
        RunFolder(path, is_open=True) as folder,
        SessionLog(path / "log.txt", as_json=log_json, echo=echo) as log,
    ):
        has_begun = False
        try:
            run = LiveRun(
                config,
                folder,
                setup,
                log,
                venues=venues,
                has_report=has_report,
                is_sandbox=sandbox is not None,
                viewer=viewer,
            )
            has_begun = True
            return run.run(duration_s)
        finally:
            if not has_begun:
                shutil.rmtree(path, ignore_errors=True)
            if viewer is not None:
                viewer.close()


def _npz(data: Sequence[Any] | np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, data=np.asarray(data))
    return buffer.getvalue()
