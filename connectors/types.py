"""Words of the venue side: message kinds, the record of one decoded message, and what a venue class offers.

Nothing here computes. Rows are hftbacktest's `event_dtype`; a decoded message names the rows it made and carries
the sequence ids that `connectors.book` needs to decide whether they may be applied.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""Event rows, hftbacktest's `event_dtype`, shape (n,)."""
Messages = NDArray[np.void]
"""Decoded messages, `MESSAGE_DTYPE`, shape (m,)."""


class Kind(IntEnum):
    """What a frame turned out to be. CONTROL and OTHER make no rows."""

    CONTROL = 0
    """Subscription acknowledgements, pongs, notices of the connection."""
    OTHER = 1
    """Valid market data that makes no row: klines, mark prices, trades that are not of the market."""
    DELTA = 2
    """Changes of a book; quantities are absolute."""
    SNAPSHOT = 3
    """A whole book: per side a DEPTH_CLEAR row and DEPTH_SNAPSHOT rows, best first."""
    BBO = 4
    """Best bid and offer: DEPTH_BBO rows, bid first."""
    TRADE = 5
    AGG_TRADE = 6


class SequenceRule(IntEnum):
    """How a venue's book ids prove that no change is missing. `connectors.book` implements each."""

    SPAN = 0
    """Binance spot: an event spans ids U..u and the next begins at u + 1."""
    PREVIOUS = 1
    """Binance USD-M: an event names the last id of the one before it (pu)."""
    INCREMENT = 2
    """Bybit: u grows by one from message to message."""


#: One decoded message. `exch_ts` is 0 where the venue sent no time; `sent_ts`, when it sent the message, is 0 where it
#: does not say so beside `exch_ts`. Times are int64 nanoseconds UTC.
MESSAGE_DTYPE = np.dtype(
    [
        ("kind", "i8"),
        ("local_ts", "i8"),
        ("exch_ts", "i8"),
        ("first_id", "i8"),
        ("last_id", "i8"),
        ("prev_id", "i8"),
        ("symbol", "i8"),
        ("row_start", "i8"),
        ("row_end", "i8"),
        ("line", "i8"),
        ("sent_ts", "i8"),
    ],
    align=True,
)


class Instrument(NamedTuple):
    """What is traded at a venue. `symbol` is the venue's own spelling."""

    venue: str
    symbol: str
    tick_size: float
    lot_size: float


class Message(NamedTuple):
    """One frame decoded by the general decoder; the same content as a `MESSAGE_DTYPE` record and its rows."""

    kind: Kind
    rows: Rows
    exch_ts: int = 0
    first_id: int = 0
    last_id: int = 0
    prev_id: int = 0
    symbol: str = ""
    sent_ts: int = 0


class Venue(Protocol):
    """A venue as pure functions of its frames: no socket, no clock."""

    @property
    def name(self) -> str: ...

    @property
    def sequence_rule(self) -> SequenceRule: ...

    @property
    def decode_lines(self) -> Any:
        """The compiled loop over recorded lines (`connectors.lines.line_loop`)."""

    def decode(self, frame: bytes) -> Message:
        """The message in `frame`, by a JSON decoder: slow, general, and the reference of the parser.

        Raises DecodeError when the frame is not valid JSON or lacks what its kind must have.
        """
