"""Files of a live session in addition to those of every run: replay metadata, latencies, and the manifest's fields."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.data.funding import count_funding
from arb.data.text import sha256_of
from arb.leg import Leg
from arb.results.folder import RunFolder
from arb.results.notes import funding_notes_of
from arb.results.trades import iso_time
from arb.runtime.latencies import LATENCY_FOLDER, feed_latencies, order_latencies
from arb.runtime.live_files import OrderRecords, write_order_files
from arb.runtime.private_log import finish_private
from arb.runtime.replay_marks import LOSS, MARK
from arb.runtime.snapshot import LegSnapshot, Snapshot
from arb.simulation.latency import answers_by_asset

#: Names in the folder: the recording, and the replay metadata.
RECORDING, SESSION = "recording", "session.npz"


class SessionRecord(NamedTuple):
    """A finished session besides its frames and the strategy's results.

    head: the manifest's fields about code and configuration. counts: decisions and records up to the stop.
    """

    head: Mapping[str, Any]
    snapshot: Snapshot
    answers: Any
    start_ts: int
    counts: tuple[int, int]
    recording_error: str | None
    refusals: Mapping[str, Mapping[str, int]]
    outcome: str
    error: str | None
    #: Of a session whose orders a gateway answered.
    orders: OrderRecords | None = None


def write_session_files(folder: RunFolder, legs: Sequence[Leg], record: SessionRecord) -> None:
    """Writes the replay metadata and the latencies. Raises InputError."""
    snapshot = record.snapshot
    folder.write_arrays(
        SESSION,
        {
            "marks": np.frombuffer(snapshot.marks, MARK),
            "sums": snapshot.sums,
            "answers": record.answers,
            "times": np.array([record.start_ts, snapshot.end_ts], np.int64),
            "counts": np.array(record.counts, np.int64),
            "losses": np.frombuffer(snapshot.losses, LOSS),
        },
    )
    for name, rows in latencies_of(legs, record.answers, [own.lags for own in snapshot.legs]):
        folder.write_bytes(name, _npz(rows))
    if record.orders is not None:
        finish_private(folder.path)
        write_order_files(folder, record.orders)


def latencies_of(
    legs: Sequence[Leg], answers: Any, lags: Sequence[Sequence[tuple[int, int]]]
) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Names and contents of a session's latency files. answers: of all legs; lags: by leg."""
    for leg, received, own in zip(legs, answers_by_asset(answers, len(legs)), lags, strict=True):
        name = f"{LATENCY_FOLDER}/{leg.venue}_{leg.symbol.lower()}"
        yield f"{name}_orders.npz", order_latencies(received)
        yield f"{name}_feed.npz", feed_latencies(own)


def recording_files(folder: Path, venue: str, symbol: str) -> list[Path]:
    """The recording of an instrument, one file per day."""
    return sorted((folder / venue).glob(f"{symbol.lower()}_????????.gz"))


def session_manifest(folder: Path, legs: Sequence[Leg], record: SessionRecord) -> dict[str, Any]:
    """The manifest of a session whose recording is in `folder`."""
    session = record.snapshot
    created_day = str(record.head["created"])[:10]
    inputs = [_input(folder, leg, own, created_day) for leg, own in zip(legs, session.legs, strict=True)]
    days = [str(row["day"]) for row in inputs]
    return {
        **record.head,
        "first_day": min(days),
        "last_day": max(*days, iso_time(session.end_ts)[:10] if session.end_ts > 0 else created_day),
        "notes": [*record.head["notes"], *_notes(legs, session)],
        "clock_offset_ns": None,
        "inputs": inputs,
        "outcome": record.outcome,
        "error": record.error,
        "refusals": record.refusals,
        "session": {
            "late_rows": session.late,
            "late_since": session.late_since,
            "lost_frames": int(np.frombuffer(session.losses, LOSS)["frames"].sum()),
            "recording_error": record.recording_error,
            "events": dict(sorted(session.events.items())),
            "wrong_stamps": {
                name: {"messages": messages, "lead_ms_max": lead_ns // 1_000_000}
                for name, (messages, lead_ns) in sorted(session.wrong_stamps.items())
            },
            **({"halted": list(session.halted)} if session.halted[0] else {}),
            **({"unbooked": session.unbooked} if session.unbooked else {}),
            **({} if record.orders is None else {"orders": dict(record.orders.counts)}),
        },
    }


def _notes(legs: Sequence[Leg], session: Snapshot) -> Iterator[str]:
    if session.late:
        yield (
            f"{session.late} rows arrived later than [dry_run] disorder_ms allows; fills may differ from the venue's"
        )
    for leg, own in zip(legs, session.legs, strict=True):
        if own.off_grid:
            yield f"{leg.name}: off the configured grid, and unknown from there on: {own.off_grid}"
        if not leg.is_spot and own.book.first_ts:
            count = count_funding(own.funding, own.book.first_ts, session.end_ts)
            yield from funding_notes_of(leg.name, count, has_data=bool(own.funding))
    for name, (messages, lead_ns) in sorted(session.wrong_stamps.items()):
        are = "message is" if messages == 1 else "messages are"
        yield f"{name}: {messages:,} {are} stamped up to {lead_ns / 1e9:,.1f} s ahead of receipt; not believed"


def _input(folder: Path, leg: Leg, own: LegSnapshot, created_day: str) -> dict[str, Any]:
    files = recording_files(folder / RECORDING, leg.venue, leg.symbol)
    return {
        "leg": leg.name,
        "day": iso_time(own.book.first_ts)[:10] if own.book.first_ts else created_day,
        "source": "live",
        "raw_sha256": "+".join(sha256_of(path) for path in files),
        "rows": own.rows,
        "clamped": 0,
        "stepped_back": 0,
        "gaps": own.gaps,
        "book": msgspec.to_builtins(own.book),
        "is_carried": False,
        "off_grid": own.off_grid,
    }


def _npz(data: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, data=data)
    return buffer.getvalue()
