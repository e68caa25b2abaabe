"""Comparison rows: the rows of hftbacktest's converters, derived by our parsers, to prove both equal.

They have no BookSync, fused touch, NaN rows or book tickers, and use the file's own offset. `arb convert --compare`
runs both converters and compares the results byte for byte; rows for runs are derived by `arb.data.rows.convert`.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from hftbacktest.data.utils import binancefutures, bybit
from hftbacktest.types import event_dtype

from arb.data.catalog.days import Recording
from arb.data.rows.order import EventOrder
from arb.data.text import is_in_us, read_pieces, read_recording
from arb.errors import InputError
from connectors.book.timestamps import largest_lead
from connectors.bybit.parser import parse_bybit_gateway_time
from connectors.jit.compilation import compiled
from connectors.model import Kind, Rows, Venue
from connectors.parsing.lines import LineDecoder, line_loop

_NO_LEAD = int(np.iinfo(np.int64).min)
#: Rows that hftbacktest's converters allocate, per byte of a compressed recording; measured: 0.13 to 0.17.
_ROWS_PER_BYTE = 1.0
_ROWS_MIN = 1 << 20

#: hftbacktest uses Bybit's gateway time, `ts`; `arb.data.rows.convert` uses the matching engine's, `cts`.
bybit_gateway_lines = line_loop(parse_bybit_gateway_time)


class Converter(NamedTuple):
    """A converter of hftbacktest, and the line loop that reads the same times (None: the venue's own)."""

    name: str
    convert: Callable[..., Rows]
    lines: Any


_BYBIT = Converter("bybit.convert_depth", bybit.convert_depth, bybit_gateway_lines)
#: By venue; hftbacktest has none for Binance spot.
CONVERTERS: Mapping[str, Converter] = MappingProxyType(
    {
        "binance_usdm": Converter("binancefutures.convert", binancefutures.convert, None),
        "bybit_linear": _BYBIT,
        "bybit_spot": _BYBIT,
    }
)


class Comparison(NamedTuple):
    """Both conversions of one recording. `first_difference` is a row number, -1 if the bytes are equal."""

    recording: Recording
    converter: str
    rows: int
    reference_rows: int
    first_difference: int
    seconds: float
    reference_seconds: float

    @property
    def is_equal(self) -> bool:
        return self.first_difference < 0


def compare(venue: Venue, recording: Recording) -> Comparison:
    """Converts a recording with both and compares. Raises InputError or DecodeError; KeyError without a converter."""
    if is_in_us(next(read_pieces(recording.path), b"")):
        raise InputError(
            f"{recording.path}: its local times have 16 digits (us), and hftbacktest's converters read 19: without "
            "--compare, arb convert reads it"
        )
    converter = CONVERTERS[recording.venue]
    start = time.perf_counter()
    pieces, file = read_recording(recording.path), str(recording.path)
    rows = comparison_rows(venue, recording.symbol, pieces, lines=converter.lines, file=file)
    middle = time.perf_counter()
    room = max(_ROWS_MIN, int(recording.path.stat().st_size * _ROWS_PER_BYTE))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        reference = converter.convert(str(recording.path), buffer_size=room)
    return Comparison(
        recording,
        converter.name,
        len(rows),
        len(reference),
        _first_difference(rows, reference),
        middle - start,
        time.perf_counter() - middle,
    )


def _first_difference(rows: Rows, reference: Rows) -> int:
    if rows.tobytes() == reference.tobytes():
        return -1
    shared = min(len(rows), len(reference))
    bytes_a, bytes_b = (part[:shared].view(np.uint8).reshape(shared, -1) for part in (rows, reference))
    differing = np.flatnonzero((bytes_a != bytes_b).any(axis=1))
    return int(differing[0]) if len(differing) else shared


def comparison_rows(
    venue: Venue, symbol: str, chunks: Iterable[bytes], *, lines: Any, file: str = ""
) -> Rows:
    """The rows that hftbacktest's converter for the venue gives for a recording, in one array in memory.

    `lines` replaces the venue's line loop. file: for errors. Raises DecodeError.
    """
    pieces = []
    lead = _NO_LEAD
    for rows, messages in LineDecoder(venue, symbol, file=file, lines=lines).decode(chunks):
        kept = np.empty(len(rows), event_dtype)
        kept = kept[: _keep_converted(rows, messages, kept)]
        lead = largest_lead(kept, lead)
        pieces.append(kept)
    rows = np.concatenate(pieces) if pieces else np.zeros(0, event_dtype)
    if lead > 0:
        rows["local_ts"] += lead
    return EventOrder().feed(rows)


@compiled
def _keep_converted(rows, messages, out):
    """Copies the rows of the kinds that hftbacktest converts; it has none for an empty side of a snapshot."""
    n = 0
    for m in range(len(messages)):
        kind = messages[m].kind
        if kind == Kind.DELTA or kind == Kind.TRADE or kind == Kind.SNAPSHOT:
            for row in range(messages[m].row_start, messages[m].row_end):
                if not np.isnan(rows[row].px):
                    out[n] = rows[row]
                    n += 1
    return n
