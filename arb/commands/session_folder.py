"""Writes the folder of a live session: at its end from memory; of a killed one, for `arb verify`, from its journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from arb.commands.legs import legs_of
from arb.commands.run_files import write_run
from arb.config import config_of
from arb.data.recordings.recorder import Recorder
from arb.errors import InputError
from arb.leg import Leg
from arb.results.evidence import MANIFEST
from arb.results.folder import RunFolder
from arb.results.reader import JOURNAL
from arb.results.result import RunOutput, RunResult
from arb.results.trades import trades_of
from arb.runtime.journal import held_journal, read_journal
from arb.runtime.session_files import RECORDING, SessionRecord, session_manifest, write_session_files

#: The outcome of a session that was killed.
KILLED = "killed"


def write_session(
    folder: RunFolder, legs: Sequence[Leg], record: SessionRecord, output: RunOutput, *, has_report: bool
) -> RunResult:
    """Writes the whole folder except the recording and the log, which already exist. Raises InputError."""
    write_session_files(folder, legs, record)
    result = write_run(folder, session_manifest(folder.path, legs, record), output, has_report=has_report)
    folder.remove(JOURNAL)
    folder.publish()
    return result


def finish_killed(folder: Path) -> bool:
    """Writes the files that a killed session could not write; False if there is nothing to do.

    Raises InputError for a session that still runs, or whose journal has no entry, or whose folder cannot be written.
    """
    with held_journal(folder / JOURNAL) as is_ours:
        if not is_ours:
            return False
        with RunFolder(folder, is_there=True) as opened:
            if _is_whole(folder):  # killed after its last file was written, before the journal was removed
                opened.remove(JOURNAL)
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
    found = read_journal(folder / JOURNAL)
    legs = legs_of(config_of(found.head["config"], str(folder / JOURNAL)))
    if len(found.snapshot.legs) != len(legs):
        raise InputError(f"{folder / JOURNAL}: cannot be read: it is of other legs")
    trades = trades_of(found.fills, found.decisions, legs)
    output = RunOutput(found.records, found.final, found.decisions, trades)
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
    )
    write_session(opened, legs, record, output, has_report=False)
