"""Writes the folder of a live session: its files in addition to those of every run.

A session that ends writes it from memory; for a killed one, `arb verify` writes it from the journal.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.commands.run_files import write_run
from arb.data.outages import BookOutages
from arb.data.text.raw import sha256_of
from arb.leg import Leg
from arb.results.folder import RunFolder
from arb.results.reader import JOURNAL
from arb.results.result import RunOutput, RunResult
from arb.results.trades import iso_time
from arb.runtime.latencies import LATENCY_FOLDER, feed_latencies, order_latencies
from arb.simulation.latency import answers_by_asset

#: Names in the folder: the recording, and the replay metadata.
RECORDING, SESSION = "recording", "session.npz"


class LegLeft(NamedTuple):
    """Final state of a leg in a session. lags: (receipt, latency) of its feed, one sample per second."""

    rows: int
    gaps: int
    book: BookOutages
    lags: Sequence[tuple[int, int]]
    #: Why its values are not on the configured tick and lot, "" if they are; the book is unknown from then on.
    off_grid: str = ""


class SessionLeft(NamedTuple):
    """A session's results besides its frames and the strategy's results.

    head: the manifest's fields about code and configuration. sums: by leg, frames, rows and their checksum. counts:
    decisions and records up to the stop. losses: of dtype LOSS.
    """

    head: Mapping[str, Any]
    legs: Sequence[LegLeft]
    marks: Any
    sums: Any
    answers: Any
    start_ts: int
    end_ts: int
    counts: tuple[int, int]
    late: int
    late_since: int
    losses: Any
    recording_error: str | None
    events: Mapping[str, int]
    refusals: Mapping[str, Mapping[str, int]]
    wrong_stamps: Mapping[str, tuple[int, int]]
    outcome: str
    error: str | None


def write_session(
    folder: RunFolder, legs: Sequence[Leg], left: SessionLeft, output: RunOutput, *, has_report: bool
) -> RunResult:
    """Writes the whole folder except the recording and the log, which already exist. Raises InputError."""
    folder.write_arrays(
        SESSION,
        {
            "marks": left.marks,
            "sums": left.sums,
            "answers": left.answers,
            "times": np.array([left.start_ts, left.end_ts], np.int64),
            "counts": np.array(left.counts, np.int64),
            "losses": left.losses,
        },
    )
    for name, rows in latencies_of(legs, left.answers, [own.lags for own in left.legs]):
        folder.write_bytes(name, _npz(rows))
    result = write_run(folder, _manifest(folder.path, legs, left), output, has_report=has_report)
    folder.remove(JOURNAL)
    folder.publish()
    return result


def latencies_of(
    legs: Sequence[Leg], answers: Any, lags: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Names and contents of a session's latency files. answers: of all legs; lags: by leg."""
    for leg, heard, own in zip(legs, answers_by_asset(answers, len(legs)), lags, strict=True):
        name = f"{LATENCY_FOLDER}/{leg.venue}_{leg.symbol.lower()}"
        yield f"{name}_orders.npz", order_latencies(heard)
        yield f"{name}_feed.npz", feed_latencies(own)


def recording_files(folder: Path, venue: str, symbol: str) -> list[Path]:
    """The recording of an instrument, one file per day."""
    return sorted((folder / venue).glob(f"{symbol.lower()}_????????.gz"))


def _manifest(folder: Path, legs: Sequence[Leg], left: SessionLeft) -> dict[str, Any]:
    created_day = str(left.head["created"])[:10]
    inputs = [_input(folder, leg, own, created_day) for leg, own in zip(legs, left.legs, strict=True)]
    days = [str(row["day"]) for row in inputs]
    notes = list(left.head["notes"])
    if left.late:
        notes.append(
            f"{left.late} rows came later than [dry_run] disorder_ms allows; fills may differ from the venue's"
        )
    notes += [
        f"{leg.name}: off the configured grid, and unknown from there on: {own.off_grid}"
        for leg, own in zip(legs, left.legs, strict=True)
        if own.off_grid
    ]
    for name, (messages, lead_ns) in sorted(left.wrong_stamps.items()):
        are = "message is" if messages == 1 else "messages are"
        notes.append(
            f"{name}: {messages:,} {are} stamped up to {lead_ns / 1e9:,.1f} s ahead of receipt; not believed"
        )
    return {
        **left.head,
        "first_day": min(days),
        "last_day": max(*days, iso_time(left.end_ts)[:10] if left.end_ts > 0 else created_day),
        "notes": notes,
        "clock_offset_ns": None,
        "inputs": inputs,
        "outcome": left.outcome,
        "error": left.error,
        "refusals": left.refusals,
        "session": {
            "late_rows": left.late,
            "late_since": left.late_since,
            "lost_frames": int(left.losses["frames"].sum()),
            "recording_error": left.recording_error,
            "events": dict(sorted(left.events.items())),
            "wrong_stamps": {
                name: {"messages": messages, "lead_ms_max": lead_ns // 1_000_000}
                for name, (messages, lead_ns) in sorted(left.wrong_stamps.items())
            },
        },
    }


def _input(folder: Path, leg: Leg, left: LegLeft, created_day: str) -> dict[str, Any]:
    files = recording_files(folder / RECORDING, leg.venue, leg.symbol)
    return {
        "leg": leg.name,
        "day": iso_time(left.book.first_ts)[:10] if left.book.first_ts else created_day,
        "source": "live",
        "raw_sha256": "+".join(sha256_of(path) for path in files),
        "rows": left.rows,
        "clamped": 0,
        "stepped_back": 0,
        "gaps": left.gaps,
        "book": msgspec.to_builtins(left.book),
        "is_carried": False,
        "off_grid": left.off_grid,
    }


def _npz(data: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, data=data)
    return buffer.getvalue()
