"""A hole made into a recording: changes that a broken line lost, and the snapshot that repairs the book later."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hftbacktest.types import BUY_EVENT

from connectors.book.sync import BookSync
from connectors.parsing.lines import LineDecoder
from support.books import book_rows
from support.venues import VENUES


class Gap(NamedTuple):
    """From the change that does not join, to the snapshot; the recorder's local times."""

    from_ns: int
    to_ns: int


def break_usdm(path: Path, break_ns: int, mend_ns: int | None) -> Gap:
    """Takes the first change from `break_ns` on out of a USD-M recording, and puts a snapshot in at `mend_ns`.

    The snapshot is of the book that the changes up to then come to, as the venue would send it. None: no repair.
    """
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    depth = [n for n, line in enumerate(lines) if b"@depth" in line]
    lost, next_one = [n for n in depth if int(lines[n][:19]) >= break_ns][:2]
    kept = [*lines[:lost], *lines[lost + 1 :]]
    to_ns = int(lines[-1][:19])
    if mend_ns is not None:
        last = [n for n in depth if int(lines[n][:19]) <= mend_ns][-1]
        to_ns = int(lines[last][:19])
        kept.insert(last, _snapshot(b"".join(lines[: last + 1]), to_ns))
    path.write_bytes(gzip.compress(b"".join(kept), 1))
    return Gap(int(lines[next_one][:19]), to_ns)


def drop_snapshots(path: Path) -> None:
    """Puts the ids of all snapshots far before the changes, so that nothing ever joins them."""
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    for n, line in enumerate(lines):
        if b'"lastUpdateId"' in line:
            frame = json.loads(line[20:])
            frame["lastUpdateId"] = 1
            lines[n] = line[:20] + json.dumps(frame, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(gzip.compress(b"".join(lines), 1))


def _snapshot(text: bytes, local_ts: int) -> bytes:
    """The line of a REST snapshot of the book behind `text`."""
    venue = VENUES["binance_usdm"]
    sync = BookSync(venue.sequence_rule)
    pieces = [sync.receive(*decoded).copy() for decoded in LineDecoder(venue, "BTCUSDT").decode([text])]
    rows = book_rows(np.concatenate(pieces))
    is_bid = rows["ev"] & np.uint64(BUY_EVENT) != 0
    bids, asks = (
        [[f"{row['px']:.2f}", f"{row['qty']:.3f}"] for row in side] for side in (rows[is_bid], rows[~is_bid])
    )
    at_ms = local_ts // 1_000_000 - 5
    frame = {"lastUpdateId": sync.last_id, "E": at_ms, "T": at_ms, "bids": bids, "asks": asks}
    return f"{local_ts} {json.dumps(frame, separators=(',', ':'))}\n".encode()


def recorded(folder: Path) -> Path:
    """The USD-M recording of a folder."""
    (path,) = (folder / "binance_usdm").glob("*.gz")
    return path
