"""`arb verify`: a run told again from its inputs, and every difference to what its folder says.

A session on live data is replayed from its own recording in the dry-run's world, with the times at which its answers
were heard. A run over recorded days is replayed twice: in hftbacktest's engine and in the dry-run's world.
"""

from __future__ import annotations

import csv
import json
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.app.dryrun import refuse_lost, replay_inputs
from arb.app.legs import instrument_of, leg_of, load_adapter
from arb.app.report import figures_of_run
from arb.app.run_files import (
    Inputs,
    Told,
    days_of_run,
    latency_hashes,
    limits_of,
    read_inputs,
    told_of,
)
from arb.app.run_setup import Setup, setup_of, with_end
from arb.app.session_files import RECORDING, SESSION, latencies_of, recording_files
from arb.app.session_killed import KILLED, finish_killed
from arb.backtest.assets import backtest_bot_for
from arb.backtest.runner import compile_ahead, run
from arb.bot.price_range import PriceRange, RangeFinder
from arb.bot.recorder import Recorder
from arb.config import Config, config_of
from arb.data.cache import RowCache
from arb.data.raw import sha256_of
from arb.dryrun.again import Again, LegSource, rows_again
from arb.dryrun.bot import DryRunBot, SimulatedLeg
from arb.dryrun.marks import end_row
from arb.dryrun.reconcile import Difference, Run, differences_of
from arb.dryrun.replay import replay
from arb.errors import InputError
from arb.leg import Leg
from arb.report.run_files import RECORDS, TRADES, read_arrays, read_manifest, read_run, read_trades
from arb.run.trades import iso_time
from arb.sim.latency import Latency, answers_by_asset


class Replay(NamedTuple):
    """One replay of a run, and what it differs in."""

    engine: str
    fills: int
    differences: list[Difference]


class Verification(NamedTuple):
    """What `arb verify` found. `facts`: what was compared, a line each."""

    folder: Path
    replays: list[Replay]
    facts: list[str]

    @property
    def differences(self) -> list[Difference]:
        return [difference for one in self.replays for difference in one.differences]

    @property
    def is_proven(self) -> bool:
        """Whether every difference has a cause."""
        return all(difference.cause for difference in self.differences)


class _Session(NamedTuple):
    """`session.npz`."""

    marks: Any
    sums: Any
    answers: Any
    start_ts: int
    end_ts: int
    decisions: int
    records: int


def verify(folder: Path, data: Path | None = None) -> Verification:
    """Replays a run and compares. data: where the recorded days are, instead of the folder that the run was given.

    The folder of a session that was killed is finished first, as far as its journal goes. Raises InputError for a
    folder that is no run, is not whole, or whose strategy has changed since.
    """
    finish_killed(folder)
    manifest = read_manifest(folder)
    if manifest["outcome"] == "hung":
        raise InputError(
            f"{folder}: its strategy never came back ({manifest['error']}), and would not in a replay"
        )
    # Every file of the folder must be one that a report can be made of.
    finished = read_run(folder)
    config = config_of(manifest["config"], str(folder / "manifest.json"))
    setup = setup_of(config)
    if setup.strategy.source_sha256 != manifest["strategy"]["sha256"]:
        raise InputError(
            f"{setup.strategy.source_path}: it has changed since the run: verify with the file that it was run with"
        )
    legs = [leg_of(leg) for leg in config.legs]
    told = _recorded_run(folder, legs)
    own = _own_differences(folder, figures_of_run(finished).summary.as_dict())
    if "session" in manifest:
        replays, facts = _again(folder, manifest, config, setup, legs, told)
    else:
        replays, facts = _from_days(manifest, config, setup, legs, told, data)
    first = replays[0]
    return Verification(folder, [first._replace(differences=own + first.differences), *replays[1:]], facts)


def _recorded_run(folder: Path, legs: Sequence[Leg]) -> Run:
    try:
        records, final, decisions = read_arrays(folder / RECORDS, len(legs))
        trades = read_trades(folder / TRADES, legs)
    except (ValueError, OSError, KeyError, csv.Error, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{folder}: cannot be read: {error}") from None
    return Run(trades, decisions, records, final)


def _own_differences(folder: Path, summary: Mapping[str, Any]) -> list[Difference]:
    """Where the summary is not that of the run's other files."""
    try:
        written = json.loads((folder / "summary.json").read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: summary.json cannot be read: {error}") from None
    ours = json.loads(json.dumps(summary))
    return [
        Difference("summary", key, 0, str(written.get(key)), str(ours.get(key)))
        for key in sorted({*written, *ours})
        if written.get(key) != ours.get(key)
    ]


# A session on live data.


def _again(
    folder: Path, manifest: Mapping[str, Any], config: Config, setup: Setup, legs: Sequence[Leg], told: Run
) -> tuple[list[Replay], list[str]]:
    session = _read_session(folder, len(legs))
    with tempfile.TemporaryDirectory(prefix="arb-verify-") as name:
        again = _rows(folder, config, legs, session, Path(name))
        found, answers = _replay_session(config, setup, legs, session, again)
        differences = _input_differences(folder, manifest, legs) + _row_differences(legs, session, again)
        lags = [one.lags for one in again]
    for name, latencies in latencies_of(legs, answers, lags):
        differences += _latency_differences(folder / name, latencies)
    run = Run(found.trades, found.decisions, found.records, found.final)
    differences += differences_of(
        told, run, decisions=session.decisions, records=session.records, end_ts=session.end_ts
    )
    differences = _explained(differences, manifest["session"])
    rows = sum(one.told for one in again)
    frames = sum(one.frames for one in again)
    facts = [
        f"{frames:,} recorded frames gave the {rows:,} rows that the strategy was told of",
        f"{len(session.answers):,} answers were heard at their recorded times",
    ]
    if manifest["outcome"] == KILLED:
        until = iso_time(session.end_ts) if session.end_ts > 0 else "its beginning"
        facts.insert(0, f"the session was killed; what it had told up to {until} is verified")
    engine = "dry-run, with the recorded times of its answers"
    return [Replay(engine, len(told.trades), differences)], facts


def _read_session(folder: Path, legs: int) -> _Session:
    path = folder / SESSION
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("marks", "sums", "answers", "times", "counts")}
            start_ts, end_ts = map(int, arrays["times"])
            decisions, records = map(int, arrays["counts"])
            if arrays["sums"].shape != (legs, 3):
                raise ValueError("it is of other legs")
            return _Session(
                arrays["marks"], arrays["sums"], arrays["answers"], start_ts, end_ts, decisions, records
            )
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read: {error}; without it the session cannot be told again"
        ) from None


def _rows(folder: Path, config: Config, legs: Sequence[Leg], session: _Session, scratch: Path) -> list[Again]:
    found = []
    for number, (own, leg) in enumerate(zip(config.legs, legs, strict=True)):
        source = LegSource(
            load_adapter(own.venue),
            instrument_of(leg),
            leg.feed_latency_ns,
            recording_files(folder / RECORDING, leg.venue, leg.symbol),
        )
        marks = session.marks[session.marks["leg"] == number]
        found.append(rows_again(source, marks, int(session.sums[number][0]), scratch))
    return found


def _replay_session(
    config: Config, setup: Setup, legs: Sequence[Leg], session: _Session, again: Sequence[Again]
) -> tuple[Told, Any]:
    """What the strategy told, and when it heard its answers."""
    simulated = [
        SimulatedLeg(leg, Latency(0, 0, recorded=heard))
        for leg, heard in zip(legs, answers_by_asset(session.answers, len(legs)), strict=True)
    ]
    recorder = Recorder(len(legs))
    strategy = compile_ahead(*setup, recorder)
    ranges = _ranges(legs, session, again) if strategy.uses.arrays else None
    bot = DryRunBot(
        simulated,
        limits_of(config),
        keep_trades=strategy.uses.trades,
        start_ts=session.start_ts,
        arrays_over=ranges,
    )
    if strategy.uses.arrays and ranges is None:
        return told_of(bot, recorder, legs), bot.world.answers.copy()
    end = end_row(session.end_ts + 1)
    strand = replay(
        bot,
        [[one.local, end] for one in again],
        with_end(config, strategy.function, legs, bot, recorder),
        setup.arguments.bind(bot, recorder),
        venue_rows=[[one.exch, end] for one in again],
    )
    # What it raises here it raised in the session, too; what came before is compared.
    if strand.error is None:
        refuse_lost(bot)
    answers = bot.world.answers.copy()
    return told_of(bot, recorder, legs), answers


def _ranges(legs: Sequence[Leg], session: _Session, again: Sequence[Again]) -> list[PriceRange] | None:
    """The ranges of the arrays, as the session found them; None where the strategy never began for want of them."""
    finders = [RangeFinder(leg) for leg in legs]
    if session.start_ts == 0 and any(finder.range is None for finder in finders):
        return None
    for finder, one in zip(finders, again, strict=True):
        finder.follow(one.local)
    known = [finder.range for finder in finders if finder.range is not None]
    return known if len(known) == len(finders) else None


def _input_differences(folder: Path, manifest: Mapping[str, Any], legs: Sequence[Leg]) -> list[Difference]:
    """Where a file that the session is told from is not the one that it wrote."""
    files = {SESSION: (manifest["session"]["sha256"], [folder / SESSION])}
    for leg, of_leg in zip(legs, manifest["inputs"], strict=True):
        files[leg.name] = of_leg["raw_sha256"], recording_files(folder / RECORDING, leg.venue, leg.symbol)
    return [
        Difference("input", name, 0, str(then), now)
        for name, (then, paths) in files.items()
        if (now := "+".join(sha256_of(path) for path in paths)) != then
    ]


def _latency_differences(path: Path, rows: np.ndarray[Any, Any]) -> list[Difference]:
    """Where a latency file is not that of the replay: how many rows, or the first that is another."""
    try:
        with np.load(path, allow_pickle=False) as file:
            then = file["data"]
        if then.dtype != rows.dtype:
            raise ValueError("it has other fields")
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if len(then) != len(rows):
        return [Difference("latency", f"{path.name} rows", 0, str(len(then)), str(len(rows)))]
    places = np.flatnonzero(then != rows)
    if not len(places):
        return []
    first = int(places[0])
    where = f"{path.name} row {first}"
    return [Difference("latency", where, int(rows["req_ts"][first]), str(then[first]), str(rows[first]))]


def _row_differences(legs: Sequence[Leg], session: _Session, again: Sequence[Again]) -> list[Difference]:
    found = []
    for leg, sums, one in zip(legs, session.sums, again, strict=True):
        frames, rows, checksum = map(int, sums)
        for what, then, now in (
            ("frames", frames, one.frames),
            ("rows", rows, one.told),
            ("rows' checksum", checksum, one.checksum),
        ):
            if then != now:
                found.append(Difference("recording", f"{leg.name} {what}", 0, str(then), str(now)))
    return found


def _explained(differences: list[Difference], session: Mapping[str, Any]) -> list[Difference]:
    """With a cause, where the session knows of one: it keeps everything else that could change what it did."""
    lost = int(session["lost_frames"])
    cause = f"{lost} frames were not recorded: {session['recording_error']}" if lost else ""
    return [one._replace(cause="" if one.what == "summary" else cause) for one in differences]


# Recorded days.


def _from_days(
    manifest: Mapping[str, Any],
    config: Config,
    setup: Setup,
    legs: Sequence[Leg],
    told: Run,
    data: Path | None,
) -> tuple[list[Replay], list[str]]:
    if manifest["outcome"] == "interrupted":
        raise InputError("the run was interrupted: where it was cannot be told again; run it again")
    if data is not None:
        config = replace(config, data=msgspec.structs.replace(config.data, directory=str(data)))
    first, last = date.fromisoformat(manifest["first_day"]), date.fromisoformat(manifest["last_day"])
    days = days_of_run(config, legs, first, last)
    with RowCache() as cache:
        inputs = read_inputs(config, legs, days, cache, offset_ns=int(manifest["clock_offset_ns"]))
        changed = _changed_inputs(manifest, legs, inputs)
        replays = []
        for engine, found in (
            ("hftbacktest's engine", _backtest(config, setup, inputs)),
            ("dry-run", replay_inputs(config, setup, inputs, limits_of(config))[0]),
        ):
            run = Run(found.trades, found.decisions, found.records, found.final)
            replays.append(Replay(engine, len(told.trades), changed + differences_of(told, run)))
    rows = sum(file.rows for files in inputs.conversion.files for file in files)
    return replays, [f"{rows:,} rows of {manifest['first_day']} to {manifest['last_day']}"]


def _backtest(config: Config, setup: Setup, inputs: Inputs) -> Told:
    recorder = Recorder(len(inputs.legs))
    strategy = compile_ahead(*setup, recorder)
    bot = backtest_bot_for(strategy.uses, inputs.data, limits_of(config))
    function = with_end(config, strategy.function, inputs.legs, bot, recorder)
    ended = run(function, setup.arguments.bind(bot, recorder), bot)
    if ended.is_interrupted:
        raise KeyboardInterrupt
    return told_of(bot, recorder, inputs.legs)


def _changed_inputs(manifest: Mapping[str, Any], legs: Sequence[Leg], inputs: Inputs) -> list[Difference]:
    then = {(row["leg"], row["day"]): str(row["raw_sha256"]) for row in manifest["inputs"]}
    now = {
        (leg.name, str(day.day)): file.raw_sha256
        for leg, days, files in zip(legs, inputs.days, inputs.conversion.files, strict=True)
        for day, file in zip(days, files, strict=True)
    }
    then |= {(leg, "latencies"): sha for leg, sha in manifest.get("order_latencies", {}).items()}
    now |= {(leg, "latencies"): sha for leg, sha in latency_hashes(legs).items()}
    return [
        Difference("input", f"{key[0]} {key[1]}", 0, then.get(key, "none"), now.get(key, "none"))
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]
