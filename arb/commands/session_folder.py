"""Writes the folder of a live session: at its end from memory; of a killed one, for `arb verify`, from `session.db`."""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arb.commands.legs import instrument_of, legs_of, with_openings
from arb.commands.measured_edges import LINE, edges_of_rows
from arb.commands.run_files import silence_ns, write_run
from arb.config import Config, config_of
from arb.config.adapters import load_adapter
from arb.data.recordings.recorder import Recorder
from arb.errors import ArbError, InputError
from arb.execution.ids import ids_of
from arb.journal.schema import Intent, Note
from arb.leg import Leg
from arb.results.evidence import MANIFEST, ORDERS_DB, SESSION_DB, SESSION_LOCK
from arb.results.folder import RunFolder
from arb.results.no_trades.explanation import is_measured
from arb.results.result import RunOutput, RunResult
from arb.results.setup import LIVE
from arb.results.simulated_orders import SimulatedOrder
from arb.results.trades import payments_of, trades_of
from arb.runtime.display import write_error
from arb.runtime.private_log import finish_private
from arb.runtime.replay_marks import MARK
from arb.runtime.session_files import (
    RECORDING,
    SessionRecord,
    recording_files,
    session_manifest,
    write_session_files,
)
from arb.runtime.session_store import held_folder, orders_file, read_store
from arb.verify.session_rows import LegSource, leg_rows, local_rows
from connectors.errors import ConnectorError

#: The outcome of a session that was killed.
KILLED = "killed"
#: Frames of a session that are read once more to measure its edges: a minute or two. A longer session without a fill
#: is explained by its log; a backtest over its recording measures the edges.
FRAMES_MAX = 5_000_000
_SIMULATED_LINE = "the orders are put to the simulated exchange; this may take a minute"
#: Without a line about it.
_SILENT_FRAMES_MAX = 50_000


def write_session(
    folder: RunFolder,
    legs: Sequence[Leg],
    record: SessionRecord,
    output: RunOutput,
    *,
    has_report: bool,
    rest: Sequence[Intent | Note] = (),
    announce: Callable[[str], object] = write_error,
) -> RunResult:
    """Writes the whole folder except the recording and the log, which already exist. Raises InputError.

    rest: rows of the dry-run's orders that are not in `session.db`. announce: called with a line before a step that
    takes longer than a moment.
    """
    write_session_files(folder, legs, record)
    _write_orders(folder, record, rest, announce)
    output = output._replace(
        edges=_edges_of(folder.path, legs, record, output, announce),
        simulated=_simulated_of(folder.path, legs, record, announce),
    )
    result = write_run(folder, session_manifest(folder.path, legs, record), output, has_report=has_report)
    _remove_state(folder)
    folder.publish()
    return result


def _write_orders(
    folder: RunFolder,
    record: SessionRecord,
    rest: Sequence[Intent | Note],
    announce: Callable[[str], object],
) -> None:
    """Writes the orders of a dry-run. Without its `session.db` the session has everything else."""
    try:
        content = orders_file(folder.path / SESSION_DB, rest, record.outcome, record.snapshot.end_ts)
    except InputError as error:
        announce(f"{ORDERS_DB} is not written: {error}")
        return
    if content is not None:
        folder.write_bytes(ORDERS_DB, content)


def _remove_state(folder: RunFolder) -> None:
    """Removes what only a running session needs; the lock last, so that what a kill leaves is found."""
    folder.remove(SESSION_DB, f"{SESSION_DB}-wal", f"{SESSION_DB}-shm", SESSION_LOCK)


def leg_sources(folder: Path, config: Config, legs: Sequence[Leg]) -> list[LegSource]:
    """How to derive the rows of each leg again from the session's recording."""
    return [
        LegSource(
            load_adapter(config.venues[own.venue]),
            instrument_of(leg),
            leg.feed_latency_ns,
            recording_files(folder / RECORDING, leg.venue, leg.symbol),
            silence_ns(config),
        )
        for own, leg in zip(config.legs, legs, strict=True)
    ]


def _edges_of(
    folder: Path,
    legs: Sequence[Leg],
    record: SessionRecord,
    output: RunOutput,
    announce: Callable[[str], object],
) -> Any:
    """The measured edges of a session without a fill; None if it has one, or more frames than are read once more."""
    snapshot, params = record.snapshot, record.head["strategy"]["params"]
    config = config_of(record.head["config"], str(folder))
    frames = sum(leg.frames for leg in snapshot.legs)
    if record.recording_error or frames > FRAMES_MAX:
        return None
    if not is_measured(record.outcome, output.trades, config.pairs, params):
        return None
    marks = np.frombuffer(snapshot.marks, MARK)
    if frames > _SILENT_FRAMES_MAX:
        announce(LINE)
    try:
        rows = [
            local_rows(source, marks[marks["leg"] == number], own.frames)
            for number, (source, own) in enumerate(
                zip(leg_sources(folder, config, legs), snapshot.legs, strict=True)
            )
        ]
        return edges_of_rows(params, legs, rows, start_ts=record.start_ts, end_ts=snapshot.end_ts)
    except (ArbError, ConnectorError, OSError):  # a recording that cannot be read does not lose the session
        return None


def _simulated_of(
    folder: Path, legs: Sequence[Leg], record: SessionRecord, announce: Callable[[str], object]
) -> Sequence[SimulatedOrder] | None:
    """The orders of a live session beside the simulated exchange; None without orders, for a session whose frames are
    not all recorded, or too many to be read once more, and for one whose strategy hangs."""
    snapshot, orders = record.snapshot, record.orders
    frames = sum(leg.frames for leg in snapshot.legs)
    if orders is None or not len(orders.requests) or record.recording_error or record.outcome == "hung":
        return None
    if frames > FRAMES_MAX:
        return None
    if frames > _SILENT_FRAMES_MAX:
        announce(_SIMULATED_LINE)
    # A dry-run does not load what order entry needs.
    from arb.verify.simulated_orders import simulated_orders

    config, ids = (
        with_openings(config_of(record.head["config"], str(folder)), record.head),
        ids_of(record.head),
    )
    marks = np.frombuffer(snapshot.marks, MARK)
    try:
        with scratch_folder() as scratch:
            rows = [
                [leg_rows(source, marks[marks["leg"] == number], own.frames, scratch).exch]
                for number, (source, own) in enumerate(
                    zip(leg_sources(folder, config, legs), snapshot.legs, strict=True)
                )
            ]
            return simulated_orders(legs, ids, orders, rows, snapshot.end_ts)
    except (
        Exception
    ):  # no comparison is worth a session; `arb verify` derives it again, and reports the error
        return None


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder for rows, removed on exit. The path is set before mkdir: a signal may arrive right after."""
    path = Path(tempfile.gettempdir()) / f"arb-rows-{secrets.token_hex(8)}"
    try:
        path.mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def finish_killed(folder: Path) -> bool:
    """Writes the files that a killed session could not write; False if there is nothing to do.

    Raises InputError for a session that still runs, or has kept nothing, or whose folder cannot be written.
    """
    with held_folder(folder) as is_ours:
        if not is_ours:
            return False
        with RunFolder(folder, is_there=True) as opened:
            if _is_whole(folder):  # killed after its last file was written, before its state was removed
                _remove_state(opened)
                return False
            _finish(opened)
        return True


def _is_whole(folder: Path) -> bool:
    """Whether the manifest, which is written last, is there. Invalid JSON means that it was not written completely."""
    path = folder / MANIFEST
    try:
        json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    return True


def _finish(opened: RunFolder) -> None:
    folder = opened.path
    opened.remove_asides()
    # Compresses the frames that are still in journals.
    Recorder(folder / RECORDING, reserve_gb=0.0).close()
    path = folder / SESSION_DB
    found = read_store(path)
    config = with_openings(config_of(found.head["config"], str(path)), found.head)
    legs = legs_of(config)
    if len(found.snapshot.legs) != len(legs):
        raise InputError(f"{path}: cannot be read: it is of other legs")
    orders = None
    if found.head["command"] == LIVE:
        # A dry-run does not load what order entry needs.
        from arb.commands.order_setup import orders_of_killed

        finish_private(folder)
        orders = orders_of_killed(folder, config, legs, found)
    trades = trades_of(found.fills, found.decisions, legs, found.charges)
    payments = payments_of(found.charges, legs)
    output = RunOutput(found.records, found.final, found.decisions, trades, payments)
    record = SessionRecord(
        head=found.head,
        snapshot=found.snapshot,
        answers=found.answers,
        start_ts=found.start_ts,
        counts=(len(found.decisions), len(found.records)),
        recording_error=None,
        refusals=found.refusals,
        outcome=KILLED,
        error=None,
        orders=orders,
    )
    write_session(opened, legs, record, output, has_report=False)
