"""Shared by the venues' JSON decoders: strict decimals, level lists as rows, timestamps in ns.

This is the slow path and the reference: tests check that the compiled parsers agree with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from hftbacktest.types import event_dtype

from connectors.model import FUNDING_EVENT, Kind, Message, Rows
from connectors.parsing.scanner import (
    CLEAR_ASK,
    CLEAR_BID,
    DELTA_ASK,
    DELTA_BID,
    MICROSECONDS_MIN,
    MILLISECONDS_MAX,
    SNAPSHOT_ASK,
    SNAPSHOT_BID,
    STAMP_MAX,
)
from connectors.units import MICROSECOND, MILLISECOND

#: A price or quantity as the venues write it. Python's float() would also take "nan", "1_0" and " 1 ".
_DECIMAL = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)

#: A number in a listing. `Decimal` would also accept "NaN" or "1e-999999", which are not valid steps.
_PLAIN_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")

#: A sequence id, or a timestamp in ms or µs, limited to the range of a decoded message's columns.
Id = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Stamp = Annotated[int, msgspec.Meta(ge=0, lt=STAMP_MAX)]

#: An instrument in the venue's spelling.
Symbol = Annotated[str, msgspec.Meta(min_length=1)]

#: Levels as in the JSON: pairs of texts.
Levels = Sequence[Sequence[str]]
#: Event, price and quantity of a row.
RowParts = tuple[int, float, float]

#: Rows of a message that has none.
NO_ROWS: Rows = np.zeros(0, event_dtype)


def decimal(text: str) -> float:
    """The value of a non-negative decimal text. Raises ValueError for anything else, infinity included."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a decimal number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large")
    return value


def signed_decimal(text: str) -> float:
    """The value of a decimal text that may begin with a minus. Raises ValueError for anything else."""
    return -decimal(text[1:]) if text.startswith("-") else decimal(text)


def stamp_ns(stamp: int) -> int:
    """A venue's timestamp, ms or µs, in ns. Raises ValueError if it does not fit into int64 nanoseconds."""
    if MILLISECONDS_MAX <= stamp < MICROSECONDS_MIN:
        raise ValueError(f"{stamp} is neither a time in ms nor one in µs")
    return stamp * MILLISECOND if stamp < MICROSECONDS_MIN else stamp * MICROSECOND


def level_parts(levels: Levels, event: int) -> list[RowParts]:
    """One part per level. Raises ValueError for a level that is not a pair of decimals."""
    parts = []
    for level in levels:
        px, qty = level
        parts.append((event, decimal(px), decimal(qty)))
    return parts


def _side_parts(levels: Levels, clear_event: int, event: int) -> list[RowParts]:
    """One side of a snapshot: a clear row up to its last price (NaN: an empty side), then its levels."""
    parts = level_parts(levels, event)
    clear_px = parts[-1][1] if parts else math.nan
    return [(clear_event, clear_px, 0.0), *parts]


def change_parts(bids: Levels, asks: Levels) -> list[RowParts]:
    """A change of a book: its bids, then its asks."""
    return level_parts(bids, DELTA_BID) + level_parts(asks, DELTA_ASK)


def snapshot_parts(bids: Levels, asks: Levels) -> list[RowParts]:
    """A complete book: its bids, then its asks."""
    return _side_parts(bids, CLEAR_BID, SNAPSHOT_BID) + _side_parts(asks, CLEAR_ASK, SNAPSHOT_ASK)


def rows_of(parts: Sequence[RowParts], exch_ts: int | Sequence[int]) -> Rows:
    """Event rows of the parts, with one time or one time each; `local_ts` is left zero for the caller."""
    rows = np.zeros(len(parts), event_dtype)
    if parts:
        rows["ev"], rows["px"], rows["qty"] = zip(*parts, strict=True)
        rows["exch_ts"] = exch_ts
    return rows


def funding_message(
    exch_ts: int, symbol: str, mark_price: str | None, rate: str | None, next_ms: int
) -> Message:
    """A mark price, a funding rate and the next funding time in ms as one row (`FUNDING_EVENT`).

    None, "" and 0: not in the frame; without any of the three the message is OTHER. Raises ValueError.
    """
    if not (mark_price or rate or next_ms):
        return Message(Kind.OTHER, NO_ROWS, exch_ts, symbol=symbol)
    rows = rows_of([(FUNDING_EVENT, decimal(mark_price) if mark_price else math.nan, 0.0)], exch_ts)
    rows["fval"] = signed_decimal(rate) if rate else math.nan
    rows["ival"] = stamp_ns(next_ms)
    return Message(Kind.FUNDING, rows, exch_ts, symbol=symbol)


def listed_number(value: Any, *, is_step: bool = False) -> str:
    """A number in a venue's listing as a plain decimal text; "" if it is not usable.

    `is_step`: 0 counts as missing, since Binance disables a rule with it.
    """
    if not isinstance(value, str) or not _PLAIN_DECIMAL.fullmatch(value):
        return ""
    return "" if is_step and not value.strip("0.") else value


def listed_symbol(value: Any) -> str:
    """The symbol in a venue's listing. Raises TypeError if it is not a text."""
    if not isinstance(value, str):
        raise TypeError(f"the symbol is no text: {value!r}")
    return value
