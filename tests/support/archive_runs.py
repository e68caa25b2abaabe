"""Generated days of archives through the conversion, and what is read off their rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from hftbacktest.types import EXCH_EVENT, LOCAL_EVENT, TRADE_EVENT

from arb.data.catalog.archived import ArchiveKind
from arb.data.catalog.days import select_days
from arb.data.rows.cache import RowCache
from arb.data.rows.convert import Feed, convert
from arb.data.rows.row_files import Conversion
from arb.data.rows.usable import refuse_unusable
from connectors.model import Instrument, Rows
from support.archives import DAY, SYMBOL
from support.books import PlainBook
from support.venues import VENUES

MS = 1_000_000
LATENCY = 10 * MS
BOOK, TOUCH, TRADES, AGG = (
    ArchiveKind.BOOK, ArchiveKind.TOUCH, ArchiveKind.TRADES, ArchiveKind.AGG_TRADES
)  # fmt: skip
USDM, LINEAR = ("binance_usdm", SYMBOL), ("bybit_linear", SYMBOL)


def feeds_of(folder: Path, *legs: tuple[str, str], days: int = 1) -> list[Feed]:
    """All legs over the first days of the generated archives, at 10 ms of feed latency."""
    selected = select_days(folder, legs, DAY, DAY + timedelta(days=days - 1))
    return [
        Feed(VENUES[venue], chosen, LATENCY, Instrument(venue, symbol, 0.1, 0.001))
        for (venue, symbol), chosen in zip(legs, selected, strict=True)
    ]


def converted(folder: Path, *legs: tuple[str, str], days: int = 1, **options: Any) -> Conversion:
    feeds = feeds_of(folder, *legs, days=days)
    conversion = convert(feeds, RowCache(folder / "cache"), **options)
    refuse_unusable(conversion, feeds)
    return conversion


def rows_of(conversion: Conversion, leg: int = 0) -> Rows:
    """All that an engine reads of a leg."""
    return np.concatenate(conversion.rows(leg))


def seen_by(rows: Rows, side: int) -> Rows:
    return rows[(rows["ev"] & np.uint64(side)) != 0]


def in_ticks(rows: Rows) -> Rows:
    """Prices as hftbacktest compares them; a level that was taken is named by its tick, not by the text it came in."""
    rows = rows.copy()
    rows["px"] = np.round(rows["px"], 1)
    return rows


def trades_in(rows: Rows) -> list[tuple[int, int, float, float]]:
    """Event flags without sides of receipt, venue time, price, quantity."""
    kept = seen_by(rows, LOCAL_EVENT)
    kept = kept[kept["ev"] & np.uint64(0xFF) == TRADE_EVENT]
    flags = kept["ev"] & ~np.uint64(EXCH_EVENT | LOCAL_EVENT)
    return list(
        zip(flags.tolist(), kept["exch_ts"].tolist(), kept["px"].tolist(), kept["qty"].tolist(), strict=True)
    )


def touches_after(rows: Rows, times: Sequence[int]) -> list[tuple[float, ...]]:
    """The touch once all rows up to each time are applied."""
    book, touches, start = PlainBook(), [], 0
    for at in times:
        end = int(np.searchsorted(rows["local_ts"], at, "right"))
        book.apply(rows[start:end])
        touches.append(book.touch())
        start = end
    return touches
