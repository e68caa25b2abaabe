"""One session of a strategy on live data, from its first frame to its folder: recorder, keeper, watchdog, end.

Who answers the orders is passed in (`LiveParts`), behind the port (`arb.engine.port`): `arb.commands.dryrun_live`
attaches the simulated exchange, `arb.commands.live` a gateway with connections of its own. The session runs in the
host's loop on the main thread; the recorder and the watchdog have threads of their own.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import hftbacktest
import numba

import arb
from arb.backtest.output import output_of
from arb.backtest.runner import leave_now
from arb.bot.recorder import Recorder
from arb.commands.dryrun import refuse_lost
from arb.commands.recorded_days import MAKES_NO_CALL
from arb.commands.run_checks import refuse_coarse_lots
from arb.commands.run_files import configured_offset_ns
from arb.commands.run_setup import Setup, WrittenRun, outcome_of
from arb.commands.session_folder import write_session
from arb.commands.watch_facts import facts_of
from arb.config import Config
from arb.config.adapters import load_adapter
from arb.data.recordings.recorder import Recorder as FrameRecorder
from arb.errors import ArbError, ExitCode, InputError, StrategyError
from arb.results.failure import strategy_error
from arb.results.folder import RunFolder
from arb.risk.limits import Limits
from arb.runtime.display import end_within, write_error
from arb.runtime.feeds import LiveFeed, session_streams
from arb.runtime.host import Host
from arb.runtime.interruption import Interruption
from arb.runtime.keeper import SessionKeeper
from arb.runtime.live_rows import LiveDriver
from arb.runtime.output import SessionOutput
from arb.runtime.session import Session
from arb.runtime.session_alerts import Ending
from arb.runtime.session_files import RECORDING, SessionRecord
from arb.runtime.session_orders import SessionOrders
from arb.runtime.session_watch import WATCH_S, SessionWatch
from arb.runtime.supervision import LOOK_S
from arb.runtime.view import working_orders
from arb.runtime.watchdog import Watchdog
from connectors.feed.clock_offset import OffsetEstimator
from connectors.units import SECOND

#: Longest and shortest interval between two calls of the session's timer.
_TICK_S, _TICK_MIN_S = 0.010, 0.0005
#: How long the strategy may take after a signal until it waits; then it is held at its next call of the bot.
_GRACE_S = 1.0
#: Interval at which the flags of `arb halt` are read.
_HALT_S = 0.1
#: An entry is prepared after each of these times, and written after the last: a kill loses at most their sum.
_KEEP_S = (0.25, 0.25, 0.25, 0.24, 0.01)
#: The manifest's error of an interrupted session whose strategy did not end on its own.
HELD = "the strategy did not wait when it was interrupted: it was ended at a call of the bot"


class LiveParts(NamedTuple):
    """The strategy on its bot, what answers its orders, what it writes, and what is done before a stop (`last`)."""

    driver: LiveDriver
    recorder: Recorder
    limits: Limits
    orders: SessionOrders
    last: Callable[[Session, Host], Awaitable[None]] | None = None
    warm: Callable[[Host, Session], object] = lambda host, session: None


class LiveRun:
    """One session. Call `run` once, on the main thread."""

    def __init__(
        self,
        config: Config,
        setup: Setup,
        parts: LiveParts,
        *,
        head: Mapping[str, Any],
        host: Host,
        folder: RunFolder,
        log: SessionOutput,
        notes: Sequence[str],
        warnings: Sequence[str],
        has_report: bool,
    ) -> None:
        """head: the manifest's fields about code and configuration. notes: for the log and the manifest. warnings: for
        the log."""
        self._config = config
        self._setup = setup
        self._driver, self._recorder, self._limits, self._orders, self._last, self._warm = parts
        self._bot = self._driver.bot
        self._legs = self._bot.world.legs
        self._host = host
        self._folder = folder
        self._log = log
        self._warnings = warnings
        self._has_report = has_report
        #: Of sessions whose orders venues answer.
        self._is_polling = config.live.poll == "busy" and head["command"] == "live"
        self._head = {**head, **self._orders.head, "notes": [*head["notes"], *notes]}
        self._feeds: list[tuple[LiveFeed, list[int]]] = []
        self._error: BaseException | None = None
        #: How many times of `_KEEP_S` have been waited for.
        self._kept = 0
        #: A halt was found before the strategy's clock ran.
        self._is_halt_noted = False
        #: Acquired by the thread that writes the folder, the host's or the watchdog's; never released.
        self._writing = threading.Lock()

    def run(self, duration_s: float | None) -> WrittenRun:
        """Runs until the strategy ends, `duration_s` have passed or a signal arrives, and writes the folder.

        Signals that arrive while it is written have no effect. Raises StrategyError and InputError after everything is
        written, KeyboardInterrupt for a signal before the feeds were opened.
        """
        with self._host, contextlib.ExitStack() as held:
            with self._frame_recorder() as self._frames:
                offset = OffsetEstimator(configured_offset_ns(self._config))
                self._session = Session(
                    self._legs,
                    self._driver,
                    offset,
                    self._frames,
                    log=self._log.event,
                    ended=self._host.end,
                )
                self._keeper = SessionKeeper(
                    self._folder.path,
                    self._head,
                    bot=self._bot,
                    limits=self._limits,
                    recorder=self._recorder,
                    session=self._session,
                    orders=self._orders,
                )
                held.callback(self._keeper.close)
                self._watch = SessionWatch(
                    self._bot,
                    self._recorder,
                    self._session,
                    self._feeds,
                    facts_of(
                        self._config,
                        self._setup,
                        self._head["command"],
                        folder=self._folder.path,
                        created_ns=self._host.created_ns,
                        duration_s=duration_s,
                    ),
                    limits=self._limits,
                    orders=self._orders,
                    output=self._log,
                )
                held.callback(self._watch.close)
                self._host.run(lambda: self._trade(offset, duration_s))
            return self._write()

    def _frame_recorder(self) -> FrameRecorder:
        """Without its recording a session cannot be replayed, so it ends with the recorder's first error."""
        record = self._config.record
        return FrameRecorder(
            self._folder.path / RECORDING,
            segment_s=record.segment_s,
            reserve_gb=record.reserve_gb,
            fsync_s=record.fsync_s,
            versions={
                "arb": arb.__version__,
                "hftbacktest": hftbacktest.__version__,
                "numba": numba.__version__,
            },
            on_error=self._on_unrecorded,
            finishes_late=True,
        )

    def _on_unrecorded(self, error: ArbError) -> None:
        """Frames are not recorded any more. Any thread."""
        self._log.event("recorder", str(error))
        self._on_broken(error)

    def _on_broken(self, error: ArbError) -> None:
        """Files cannot be written: the session ends, once its legs balance where it trades at venues. Any thread."""
        if not self._orders.break_off(error):
            self._host.end(error)

    async def _trade(self, offset: OffsetEstimator, duration_s: float | None) -> None:
        """Runs the strategy on live data until the session ends, and stops it."""
        host = self._host
        by_venue: dict[str, list[int]] = {}
        for number, leg in enumerate(self._legs):
            by_venue.setdefault(leg.venue, []).append(number)
        symbols = {name: [self._legs[n].symbol for n in numbers] for name, numbers in by_venue.items()}
        self._session.write("start", f"comparing tick and lot with the listings of {', '.join(symbols)}")
        self._watch.show()
        unlisted = await host.compare_grids(symbols)
        refuse_coarse_lots(self._config)
        if host.is_interrupted:
            return
        for name, numbers in by_venue.items():
            tap = self._session.tap_of(numbers, name)
            stale_after_ms = self._config.execution.stale_after_ms
            feed = host.open_feed(
                name,
                symbols[name],
                tap,
                streams=session_streams(load_adapter(host.venues[name])),
                tap=tap,
                offset=offset,
                stale_after_ms=stale_after_ms,
            )
            self._feeds.append((feed, numbers))
        try:
            await self._orders.open(host, self._session)
            if not host.is_interrupted:
                await self._run_strategy(unlisted, duration_s)
        finally:
            await self._orders.close(self._ending())

    def _ending(self) -> Ending | None:
        """How the session ended, as far as that is known before its folder is written."""
        task = self._driver.task
        host_error = self._host.error or self._orders.broken
        errors = (sys.exception(), self._error, host_error, self._session.fault, task.error)
        error = next((one for one in errors if isinstance(one, Exception)), None)
        if error is not None:
            text = str(error) if isinstance(error, ArbError) else f"{type(error).__name__}: {error}"
            return Ending("failed", text)
        if not self._host.is_interrupted and outcome_of(task.value)[1] == ExitCode.HALTED_BY_RISK:
            return Ending("halted", "the strategy has halted the session, by its limits or a doubt")
        return None

    async def _run_strategy(self, unlisted: Sequence[str], duration_s: float | None) -> None:
        host = self._host
        with self._watched():
            host.start_feeds()
            self._watch.began_ns = host.began_ns
            self._folder.keep()
            for note in (*unlisted, *self._warnings):
                self._session.write("warning", note)
            for note in self._head["notes"]:
                self._session.write("note", note)
            after_s = (time.monotonic_ns() - self._host.created_ns) / SECOND
            self._session.write("start", f"ready after {after_s:.2f} s")
            if not self._session.start():
                host.end()
            host.repeat(self._tick)
            host.every(WATCH_S, self._watch.tick)
            host.repeat(self._keep)
            host.every(_HALT_S, self._look_for_halt)
            host.every(LOOK_S, self._orders.supervise)
            if self._is_polling:
                host.poll()
            self._warm(host, self._session)
            await host.wait(duration_s, self._last, self._session, host)
            self._end_strategy()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Inside the context a strategy that blocks the thread forever ends the process, with everything written."""
        watchdog = Watchdog(
            lambda: self._session.entered_ns,
            lambda: self._bot.world.heartbeat,
            self._config.dry_run.hang_s,
            self._hung,
        )
        interruption = Interruption(
            self._driver.task,
            grace_s=_GRACE_S,
            entered_ns=lambda: self._session.entered_ns,
            on_lost=lambda: self._hung(MAKES_NO_CALL, ExitCode.INTERRUPTED),
        )
        watchdog.start()
        with contextlib.closing(watchdog), interruption:
            yield

    def _tick(self) -> float:
        """Advances the session's clock unless rows have just done so; returns the seconds until the next call."""
        session = self._session
        due_s, quiet_s = session.due_ns / SECOND, session.quiet_ns / SECOND
        if due_s > 0.0 and quiet_s < _TICK_S - _TICK_MIN_S:
            return max(_TICK_MIN_S, min(due_s, _TICK_S - quiet_s))
        session.on_time()
        return min(_TICK_S, max(_TICK_MIN_S, session.due_ns / SECOND))

    def _keep(self) -> float:
        """Prepares or writes an entry; returns the seconds until the next call. What is broken has no more entries:
        one may be missing, and those after it would prove nothing."""
        try:
            if self._orders.broken is not None:
                pass
            elif self._kept == len(_KEEP_S):
                self._keeper.keep()
            elif self._kept:
                self._keeper.note()
        except InputError as error:
            self._on_broken(error)
        self._kept %= len(_KEEP_S)
        self._kept += 1
        return _KEEP_S[self._kept - 1]

    def _look_for_halt(self) -> None:
        """Ends the session if it is halted, once its positions are closed if that was asked for.

        Not before the strategy's clock runs: a replay could not say when that was. Until then nothing is open.
        """
        if self._session.is_over or self._session.halted[0] or (halted := self._orders.halted()) is None:
            return
        reason, is_flattening = halted
        if not self._driver.has_begun:
            if self._orders.broken is not None:
                self._host.end(self._orders.broken)
            elif not self._is_halt_noted:
                self._session.write(
                    "halt", "arb halt: nothing is opened; it takes effect with the first prices"
                )
            self._is_halt_noted = True
            return
        closed = "positions are closed" if is_flattening else "legs that do not balance are hedged"
        self._session.write(
            "halt",
            f"the session is halted{f' ({reason})' if reason else ''}: {closed}, then it ends",
        )
        self._session.halt(is_flattening=is_flattening, unbooked=self._orders.unbooked())

    def _end_strategy(self) -> None:
        """Takes the counts of the strategy's results so far, then stops it."""
        counts = len(self._recorder.decisions), len(self._recorder.records)
        self._session.write("end", "stopping the strategy and writing the folder")
        self._watch.log_trading()
        self._watch.show()
        self._watch.publish()  # what has ended it may be younger than the last one
        is_parked = self._driver.task.is_alive and not self._session.stop()
        # If the watchdog gave the strategy up just before it returned, its thread writes and the process ends.
        self._writing.acquire()
        self._counts, self._is_parked = counts, is_parked
        self._session.is_over = True
        if not (is_parked or self._driver.task.is_held):
            self._watch.log_trading()

    def _write(self) -> WrittenRun:
        """Writes the folder, then raises the session's error, if any."""
        orders = self._orders
        error = self._error or self._host.error or self._session.fault or orders.fault or orders.broken
        if error is None and self._driver.task.error is not None:
            error = strategy_error(self._driver.task.error, self._bot, self._setup.strategy.code)
        if error is None and self._is_parked:
            error = StrategyError("the strategy does not end when it is stopped")
        self._error = error
        try:
            result = self._finish()
        except InputError as full:
            raise InputError(
                f"{full}; the session is saved: make room, then arb verify {self._folder.path} finishes the folder"
            ) from None
        if self._error is not None:
            raise self._error
        what = self._driver.waits_for
        if self._session.legs_without_data:
            what = f"no data of {', '.join(self._session.legs_without_data)}; arb doctor looks for the cause"
        if what:
            self._log.event("error", what)
            # An interrupted session exits as interrupted, not with this error.
            if result.exit_code == ExitCode.DONE:
                raise InputError(f"{what}; the session is in {self._folder.path}")
        return result

    def _finish(self) -> WrittenRun:
        outcome, code = outcome_of(self._driver.task.value)
        if self._host.is_interrupted:
            outcome, code = "interrupted", ExitCode.INTERRUPTED
        if self._error is not None:
            outcome, code = "hung" if self._is_parked else "failed", ExitCode.OUR_FAULT
        else:
            refuse_lost(self._bot)
        record = self._record(outcome)
        working = working_orders(self._bot)
        # A parked strategy still uses its bot.
        output = output_of(self._bot, self._recorder, self._legs, is_lost=self._is_parked)
        if not record.start_ts:  # the strategy's clock never started
            output.final["timestamp"] = time.time_ns()
        is_whole = code not in (ExitCode.INTERRUPTED, ExitCode.OUR_FAULT)
        self._watch.close(f"{outcome}: {len(output.trades)} fills", {"outcome": outcome})
        result = write_session(
            self._folder,
            self._legs,
            record,
            output,
            rest=self._keeper.rest(),
            has_report=self._has_report and is_whole,
            announce=lambda line: self._log.event("note", line),
        )
        for leg, final in zip(self._legs, output.final, strict=True):
            self._log.event("position", f"{leg.name} {float(final['position']):+.10g}")
        if working:
            self._log.event("orders", self._orders.left_text(working))
        self._log.event("end", f"{outcome}: {len(output.trades)} fills, written to {self._folder.path}")
        return WrittenRun(self._folder.path, result.summary, output.trades, code)

    def _record(self, outcome: str) -> SessionRecord:
        recording_error = self._frames.state.error
        error = HELD if self._error is None and self._driver.task.is_held else self._error
        return SessionRecord(
            head=self._head,
            snapshot=self._session.snapshot(),
            answers=self._bot.world.answers.copy(),
            start_ts=self._bot.world.start_ts,
            counts=self._counts,
            recording_error=None if recording_error is None else str(recording_error),
            refusals=self._limits.refusals_of(self._legs),
            outcome=outcome,
            error=None if error is None else str(error),
            orders=self._orders.records(),
        )

    def _hung(self, what: str, code: ExitCode = ExitCode.OUR_FAULT) -> None:
        """On another thread, when the strategy blocks the main thread forever: writes the saved results and exits."""
        # Not acquired: the strategy has just returned, and the host writes.
        if self._writing.acquire(blocking=False):
            try:
                self._error = StrategyError(what)
                self._is_parked = True
                self._counts = len(self._recorder.decisions), len(self._recorder.records)
                self._session.is_over = True
                self._frames.close()
                output = output_of(self._bot, self._recorder, self._legs, is_lost=True)
                record, rest = self._record("hung"), self._keeper.rest()
                self._watch.close(f"hung: {what}", {"outcome": "hung"})
                write_session(self._folder, self._legs, record, output, rest=rest, has_report=False)
                self._log.event("hung", what)
                end_within(code)
                self._log.close()
                write_error(
                    f"error: {what}; {self._orders.hung_text()}, the session is in {self._folder.path}"
                )
            except Exception as error:  # the process ends here in any case
                end_within(code)
                write_error(f"error: {what}; the session cannot be written: {error}")
            finally:
                with contextlib.suppress(OSError):
                    sys.stdout.flush()
                leave_now(code)
