"""`series.bin` of a live session: touches, edges and profit four times a second, for charts of other processes.

A JSON line with the names of legs and edges, then rows of fixed length, little-endian. A row has the least and the
largest value since the row before: a chart of fewer points keeps the extremes. The last row may not be whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from arb.errors import InputError

#: Name of the file in the session's folder.
SERIES = "series.bin"
#: Of the file; a reader refuses any other.
FORMAT = 2
#: Interval of the rows.
SERIES_S = 0.25
_HEAD_MAX = 1 << 16


class SeriesHead(msgspec.Struct, frozen=True):
    """The first line. legs: names; edges: (leg to buy, leg to sell)."""

    format: int
    legs: list[str]
    edges: list[tuple[str, str]]


class Series(NamedTuple):
    """What was read. rows: dtype `row_type(...)`. offset: bytes of the file that were read."""

    head: SeriesHead
    rows: Any
    offset: int


def row_type(legs: int, edges: int) -> np.dtype[Any]:
    """A row: time in ns of this machine; [least, largest] of bid and ask by leg, of the edge in bps by direction, and
    of the profit, positions at the mids, once a second; NaN where none was known."""
    return np.dtype(
        [
            ("time_ns", "<i8"),
            ("bid", "<f8", (legs, 2)),
            ("ask", "<f8", (legs, 2)),
            ("edge_bps", "<f8", (edges, 2)),
            ("pnl_quote", "<f8", (2,)),
        ]
    )


def encode_head(legs: Sequence[str], edges: Sequence[tuple[str, str]]) -> bytes:
    """The first line of a file, with its end."""
    return msgspec.json.encode(SeriesHead(FORMAT, list(legs), list(edges))) + b"\n"


def read_series(folder: Path, offset: int = 0, bytes_max: int = -1) -> Series | None:
    """The whole rows behind an offset of an earlier `Series`, all without one; None if there is no file or no head yet.

    bytes_max: reads no more at once; more than a row. Raises InputError.
    """
    path = folder / SERIES
    try:
        with path.open("rb") as file:
            line = file.readline(_HEAD_MAX)
            if not line.endswith(b"\n"):
                return None
            head = msgspec.json.decode(line, type=SeriesHead)
            offset = max(offset, len(line))
            file.seek(offset)
            content = file.read(bytes_max)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InputError(f"{path}: its first line cannot be read: {error}") from None
    if head.format != FORMAT:
        raise InputError(f"{path}: is of format {head.format}, this arb reads {FORMAT}")
    dtype = row_type(len(head.legs), len(head.edges))
    count = len(content) // dtype.itemsize
    return Series(head, np.frombuffer(content, dtype, count), offset + count * dtype.itemsize)
