"""Completes the folder of a killed session from its journal, up to the journal's last entry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from hftbacktest.types import record_dtype

from arb.commands.legs import leg_of
from arb.commands.session_files import RECORDING, LegLeft, SessionLeft, write_session
from arb.config import config_of
from arb.data.recordings.recorder import Recorder
from arb.errors import InputError
from arb.results.folder import RunFolder
from arb.results.reader import JOURNAL, MANIFEST
from arb.results.result import RunOutput
from arb.results.trades import trades_of
from arb.runtime.journal import Kept, held_journal, read_journal
from arb.runtime.replay_marks import LOSS

KILLED = "killed"


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
    kept = read_journal(folder / JOURNAL)
    legs = [leg_of(leg) for leg in config_of(kept.head["config"], str(folder / JOURNAL)).legs]
    if len(kept.last.legs) != len(legs):
        raise InputError(f"{folder / JOURNAL}: cannot be read: it is of other legs")
    records = np.frombuffer(kept.records, record_dtype).reshape(-1, len(legs))
    final = np.frombuffer(kept.last.final, record_dtype)
    output = RunOutput(records, final, kept.decisions, trades_of(kept.fills, kept.decisions, legs))
    write_session(opened, legs, _left(kept, output), output, has_report=False)


def _left(kept: Kept, output: RunOutput) -> SessionLeft:
    last = kept.last
    return SessionLeft(
        head=kept.head,
        legs=[
            LegLeft(leg.rows, leg.gaps, leg.outages, lags, leg.off_grid)
            for leg, lags in zip(last.legs, kept.lags, strict=True)
        ],
        marks=kept.marks,
        sums=np.array([(leg.frames, leg.rows, leg.checksum) for leg in last.legs], np.int64),
        answers=kept.answers,
        start_ts=last.start_ts,
        end_ts=last.told_ts,
        counts=(len(output.decisions), len(output.records)),
        late=last.late,
        late_since=last.late_since,
        losses=np.frombuffer(last.losses, LOSS),
        recording_error=None,
        events=last.events,
        refusals=last.refusals,
        wrong_stamps=last.wrong_stamps,
        outcome=KILLED,
        error=None,
    )
