"""Comparison rows: what hftbacktest's own converters make of a recording, made by our parsers, to prove them equal.

No BookSync, no fused touch, no NaN rows, no book tickers, the file's own offset. `arb convert --compare` runs both
converters and compares the results byte for byte; the product's rows come from `arb.data.convert`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from hftbacktest.types import event_dtype

from arb.data.order import EventOrder
from connectors.clock import largest_lead
from connectors.jit import compiled
from connectors.lines import LineDecoder
from connectors.types import Kind, Rows, Venue

_NO_LEAD = np.iinfo(np.int64).min


def comparison_rows(venue: Venue, symbol: str, chunks: Iterable[bytes], *, lines: Any = None, file: str = "") -> Rows:
    """The rows of a recording as hftbacktest's converter of its venue makes them, in one array in memory.

    `lines` replaces the venue's line loop (hftbacktest takes Bybit's gateway time). Raises DecodeError.
    """
    pieces = []
    lead = _NO_LEAD
    for rows, messages in LineDecoder(venue, symbol, file=file, lines=lines).decode(chunks):
        kept = np.empty(len(rows), event_dtype)
        kept = kept[: _keep_converted(rows, messages, kept)]
        lead = largest_lead(kept, lead)
        pieces.append(kept)
    rows = np.concatenate(pieces) if len(pieces) != 1 else pieces[0]
    if lead > 0:
        rows["local_ts"] += lead
    return EventOrder().feed(rows)


@compiled
def _keep_converted(rows, messages, out):  # type: ignore[no-untyped-def]
    """Copies the rows of the kinds that hftbacktest converts; it makes none for an empty side of a snapshot."""
    n = 0
    for m in range(len(messages)):
        kind = messages[m].kind
        if kind == Kind.DELTA or kind == Kind.TRADE or kind == Kind.SNAPSHOT:
            for row in range(messages[m].row_start, messages[m].row_end):
                if not np.isnan(rows[row].px):
                    out[n] = rows[row]
                    n += 1
    return n


Converter = Callable[[str], Rows]
