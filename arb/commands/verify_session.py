"""Replays a live session from its own recording, with the recorded times of its answers."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arb.backtest.output import output_of
from arb.backtest.runner import compile_ahead
from arb.bot.recorder import Recorder
from arb.commands.dryrun import refuse_lost
from arb.commands.measured_edges import edges_of_rows
from arb.commands.run_files import limits_of
from arb.commands.run_setup import Setup, ended_manifest, outcome_of, with_end
from arb.commands.session_folder import KILLED, leg_sources, scratch_folder
from arb.config import Config
from arb.engine.live import LiveBot
from arb.engine.price_range import PriceRange, RangeFinder
from arb.errors import ArbError, InputError
from arb.leg import Leg
from arb.results.failure import RAISED, strategy_error
from arb.results.result import RunOutput
from arb.results.trades import iso_time
from arb.runtime.replay import replay
from arb.runtime.replay_marks import LOSS
from arb.runtime.session_files import SESSION, latencies_of
from arb.runtime.strategy_task import StrategyTask
from arb.simulation.bot import DryRunBot
from arb.simulation.latency import recorded_latencies
from arb.verify.losses import Loss, with_causes
from arb.verify.reconcile import Difference, differences_of
from arb.verify.session_rows import LegRows, leg_rows


class SessionArrays(NamedTuple):
    """`session.npz`. times: start and end. counts: decisions and records until the stop."""

    marks: Any
    sums: Any
    answers: Any
    losses: Any
    times: Any
    counts: Any

    @property
    def start_ts(self) -> int:
        return int(self.times[0])

    @property
    def end_ts(self) -> int:
        return int(self.times[1])


class Replayed(NamedTuple):
    """Result of replaying a session: the strategy's results, its answers, and how it ended."""

    output: RunOutput
    answers: Any
    outcome: str = "ended"
    error: ArbError | None = None
    #: When it ended: `end_ts` of the session unless the strategy raised before.
    ts: int = 0
    #: Of a session whose orders venues answered: the log of fills.
    fills: Any = None


def replay_of_session(
    folder: Path,
    manifest: Mapping[str, Any],
    config: Config,
    setup: Setup,
    legs: Sequence[Leg],
    recorded: RunOutput,
) -> tuple[list[tuple[str, list[Difference]]], list[str]]:
    """(engine, differences) of the replay, and what was compared. Raises InputError for unreadable files."""
    session = read_session(folder, len(legs))
    with scratch_folder() as scratch:
        derived = derived_rows(folder, config, legs, session, scratch)
        found = _replay_session(config, setup, legs, session, derived)
        if recorded.edges is not None:
            local = [[one.local] for one in derived]
            edges = edges_of_rows(
                setup.arguments.params, legs, local, start_ts=session.start_ts, end_ts=session.end_ts
            )
            found = found._replace(output=found.output._replace(edges=edges))
        differences = row_differences(legs, session, derived)
        lags = [one.lags for one in derived]
    for (name, latencies), leg in zip(
        latencies_of(legs, found.answers, lags), (leg for leg in legs for _ in range(2)), strict=True
    ):
        differences += latency_differences(folder / name, latencies, leg.name)
    differences += differences_of(
        recorded,
        found.output,
        decisions=int(session.counts[0]),
        records=int(session.counts[1]),
        end_ts=session.end_ts,
    )
    differences += end_differences(manifest, found)
    differences = with_causes(differences, losses_of(session, legs), manifest["session"]["recording_error"])
    rows = sum(one.rows for one in derived)
    frames = sum(one.frames for one in derived)
    facts = [
        f"{frames:,} recorded frames gave {rows:,} rows, in the order in which the strategy received them",
        f"{len(session.answers):,} answers were received at their recorded times",
    ]
    facts = [*killed_facts(manifest, session), *facts]
    return [("dry-run, with the recorded times of its answers", differences)], facts


def killed_facts(manifest: Mapping[str, Any], session: SessionArrays) -> list[str]:
    """What is verified of a session that was killed; nothing of any other."""
    if manifest["outcome"] != KILLED:
        return []
    until = iso_time(session.end_ts) if session.end_ts > 0 else "its beginning"
    return [f"the session was killed; what it had written up to {until} is verified"]


def read_session(folder: Path, legs: int) -> SessionArrays:
    path = folder / SESSION
    try:
        # Opened here: NumPy would leave a file open that is not an archive.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            session = SessionArrays(*(file[name] for name in SessionArrays._fields))
            if session.sums.shape != (legs, 3):
                raise ValueError("it is of other legs")
            if session.losses.dtype != LOSS:
                raise ValueError("its losses have other fields")
            if session.times.shape != (2,) or session.counts.shape != (2,):
                raise ValueError("it has other fields")
            return session
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read: {error}; without it the session cannot be replayed"
        ) from None


def losses_of(session: SessionArrays, legs: Sequence[Leg]) -> dict[str, Loss]:
    """The lost frames by leg."""
    return {
        legs[int(row["leg"])].name: Loss(int(row["frames"]), int(row["after_ts"]), int(row["after_exch_ts"]))
        for row in session.losses
    }


def derived_rows(
    folder: Path, config: Config, legs: Sequence[Leg], session: SessionArrays, scratch: Path
) -> list[LegRows]:
    found = []
    for number, source in enumerate(leg_sources(folder, config, legs)):
        marks = session.marks[session.marks["leg"] == number]
        found.append(leg_rows(source, marks, int(session.sums[number][0]), scratch))
    return found


def _replay_session(
    config: Config, setup: Setup, legs: Sequence[Leg], session: SessionArrays, derived: Sequence[LegRows]
) -> Replayed:
    """Runs the strategy over the session's rows, and stops it where the session stopped it."""
    recorder = Recorder(len(legs))
    strategy = compile_ahead(*setup, recorder)
    finders = [RangeFinder(leg) for leg in legs] if strategy.uses.arrays else []
    ranges = ranges_of(finders, session, derived)
    bot = DryRunBot(
        legs,
        limits_of(config),
        latencies=recorded_latencies(session.answers, len(legs)),
        keep_trades=strategy.uses.trades,
        start_ts=session.start_ts,
        arrays_over=ranges or None,
    )
    if len(ranges) < len(finders):
        return Replayed(output_of(bot, recorder, legs), bot.world.answers.copy(), ts=session.end_ts)
    task = replay(
        bot,
        [[one.local] for one in derived],
        with_end(config, strategy.function, legs, bot, recorder),
        setup.arguments.bind(bot, recorder),
        venue_rows=[[one.exch] for one in derived],
        until_ts=session.end_ts,
    )
    if task.is_alive:
        raise InputError("its strategy does not end when it is stopped: the session cannot be replayed")
    ts = session.end_ts if task.error is None else min(bot.now, session.end_ts)
    error = error_of(task, bot, setup, finders)
    if error is None:
        refuse_lost(bot)
    outcome, _ = outcome_of(task.value, error=error)
    answers = bot.world.answers.copy()
    return Replayed(output_of(bot, recorder, legs), answers, outcome, error, ts)


def error_of(
    task: StrategyTask, bot: LiveBot, setup: Setup, ranges: Sequence[RangeFinder]
) -> ArbError | None:
    """The error that ends a session over these rows; a best price outside the arrays takes precedence."""
    if outside := next((finder.outside for finder in ranges if finder.outside), ""):
        return InputError(outside)
    return None if task.error is None else strategy_error(task.error, bot, setup.strategy.code)


def end_differences(manifest: Mapping[str, Any], replayed: Replayed) -> list[Difference]:
    """Where the recorded end of the session differs from that of its replay.

    An interrupted session matches a replay whose strategy did not fail. If the session failed with an error that is not
    its strategy's, such as a full disk, the replay proves nothing.
    """
    derived = ended_manifest(replayed.outcome, replayed.error)
    outcome, error = manifest["outcome"], manifest["error"]
    cause = ""
    if outcome == KILLED:  # while the strategy ran
        derived = ended_manifest(KILLED, None)
    elif outcome == "interrupted" and replayed.error is None:
        derived["outcome"] = outcome
    elif outcome == "failed" and error and not error.startswith(RAISED):
        if error == manifest["session"]["recording_error"]:
            return []
        if replayed.error is None:
            cause = "the session failed with an error that is not its strategy's"
    return [
        Difference("end", key, replayed.ts, str(manifest[key]), str(value), cause)
        for key, value in derived.items()
        if manifest[key] != value
    ]


def ranges_of(
    finders: Sequence[RangeFinder], session: SessionArrays, derived: Sequence[LegRows]
) -> list[PriceRange]:
    """The ranges of the arrays, as the session found them; none if the strategy never started for lack of them."""
    if session.start_ts == 0 and any(finder.range is None for finder in finders):
        return []
    for finder, one in zip(finders, derived, strict=False):
        finder.follow(one.local)
    known = [finder.range for finder in finders if finder.range is not None]
    return known if len(known) == len(finders) else []


def latency_differences(path: Path, rows: np.ndarray[Any, Any], leg: str) -> list[Difference]:
    """Where a latency file differs from the replay's: the number of rows, or the first row that differs."""
    try:
        # Opened here: NumPy would leave a file open that is not an archive.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            then = file["data"]
        if then.dtype != rows.dtype:
            raise ValueError("it has other fields")
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    what = "feed latency" if path.name.endswith("_feed.npz") else "order latency"
    common = min(len(then), len(rows))
    places = np.flatnonzero(then[:common] != rows[:common])
    if len(places):
        first = int(places[0])
        ts = int(min(then["req_ts"][first], rows["req_ts"][first]))
        where = f"{path.name} row {first}"
        return [Difference(what, where, ts, str(then[first]), str(rows[first]), leg=leg)]
    if len(then) == len(rows):
        return []
    ts = int(max(then, rows, key=len)["req_ts"][common])
    return [Difference(what, f"{path.name} rows", ts, str(len(then)), str(len(rows)), leg=leg)]


def row_differences(
    legs: Sequence[Leg], session: SessionArrays, derived: Sequence[LegRows]
) -> list[Difference]:
    found = []
    for leg, sums, one in zip(legs, session.sums, derived, strict=True):
        frames, rows, checksum = map(int, sums)
        for what, then, now in (
            ("frames", frames, one.frames),
            ("rows", rows, one.rows),
            ("rows' checksum", checksum, one.checksum),
        ):
            if then != now:
                where = f"{leg.name} {what}"
                found.append(Difference("recording", where, 0, str(then), str(now), leg=leg.name))
    return found
