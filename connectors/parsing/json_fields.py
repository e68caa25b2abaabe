"""What the venues' JSON decoders share: strict decimals, level lists as rows, stamps in ns.

This is the slow path, and the meaning of every frame: the compiled parsers are tested to agree with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from hftbacktest.types import event_dtype

from connectors.errors import DecodeError
from connectors.model import Message, Rows
from connectors.parsing.scanner import MICROSECONDS_MIN, MILLISECONDS_MAX, STAMP_MAX

#: A price or quantity as the venues write it. Python's float() would also take "nan", "1_0" and " 1 ".
_DECIMAL = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)

#: A number of a listing: what `Decimal` would also take, such as "NaN" or "1e-999999", names no step.
_PLAIN_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")

#: A sequence id, and a time stamp in ms or µs, as they fit the columns of a decoded message.
Id = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
Stamp = Annotated[int, msgspec.Meta(ge=0, lt=STAMP_MAX)]

#: An instrument in the venue's spelling.
Symbol = Annotated[str, msgspec.Meta(min_length=1)]

#: What decoding a frame that is none raises; RecursionError comes of JSON that is nested too deep.
NOT_A_FRAME = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)

#: Levels as they stand in the JSON: pairs of texts.
Levels = Sequence[Sequence[str]]
#: Event, price, quantity of a row to be made.
RowParts = tuple[int, float, float]


def message_of(venue: str, frame: bytes, read: Callable[[dict[str, Any]], Message]) -> Message:
    """What `read` makes of the JSON object in a frame. Raises DecodeError where it is none, or `read` finds fault."""
    try:
        payload = msgspec.json.decode(frame)
        if not isinstance(payload, dict):
            raise ValueError("not a JSON object")
        return read(payload)
    except NOT_A_FRAME as error:
        raise DecodeError(venue, str(error), frame) from None


def decimal(text: str) -> float:
    """The value of a non-negative decimal text. Raises ValueError for anything else, infinity included."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a decimal number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is too large")
    return value


def stamp_ns(stamp: int) -> int:
    """A venue's stamp, ms or µs, in ns. Raises ValueError for one that int64 nanoseconds cannot hold."""
    if MILLISECONDS_MAX <= stamp < MICROSECONDS_MIN:
        raise ValueError(f"{stamp} is neither a time in ms nor one in µs")
    return stamp * 1_000_000 if stamp < MICROSECONDS_MIN else stamp * 1_000


def level_parts(levels: Levels, event: int) -> list[RowParts]:
    """One part a level. Raises ValueError for a level that is not a pair of decimals."""
    parts = []
    for level in levels:
        px, qty = level
        parts.append((event, decimal(px), decimal(qty)))
    return parts


def side_parts(levels: Levels, clear_event: int, event: int) -> list[RowParts]:
    """One side of a snapshot: a clear that reaches to its last price (NaN: an empty side), then its levels."""
    parts = level_parts(levels, event)
    clear_px = parts[-1][1] if parts else math.nan
    return [(clear_event, clear_px, 0.0), *parts]


def rows_of(parts: Sequence[RowParts], exch_ts: int | Sequence[int]) -> Rows:
    """Event rows of the parts at one time, or at a time each; `local_ts` is left zero for the caller."""
    rows = np.zeros(len(parts), event_dtype)
    if parts:
        rows["ev"], rows["px"], rows["qty"] = zip(*parts, strict=True)
        rows["exch_ts"] = exch_ts
    return rows


def listed_number(value: Any, *, is_step: bool = False) -> str:
    """A number of a venue's listing as its text, a plain decimal; "" where it says nothing that can be used.

    `is_step`: 0 is none: Binance switches a rule off with it.
    """
    if not isinstance(value, str) or not _PLAIN_DECIMAL.fullmatch(value):
        return ""
    return "" if is_step and not value.strip("0.") else value


def listed_symbol(value: Any) -> str:
    """The instrument of a venue's listing. Raises TypeError where it is no text."""
    if not isinstance(value, str):
        raise TypeError(f"the symbol is no text: {value!r}")
    return value
